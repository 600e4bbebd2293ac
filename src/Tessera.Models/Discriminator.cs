namespace Tessera.Models;

/// <summary>
/// Tells real images from those of a <see cref="ImageGenerator"/>: images [B, C, H, W] in [0, 1] to scores [B, 1], which are higher the
/// more real they look.
/// </summary>
public abstract class Discriminator : Layer
{
    /// <summary>The number that a batch must be divisible by, unless it is smaller; 1 for any batch.</summary>
    public virtual int BatchMultiple => 1;

    /// <summary>Refuses images of other channels or sizes than the discriminator is for.</summary>
    private protected void ExpectImages(Tensor images, int channels, int size)
    {
        if (images.Dim != 4 || images.Size(1) != channels || images.Size(2) != size || images.Size(3) != size)
            throw new ShapeException($"{GetType().Name} takes images [B, {channels}, {size}, {size}], not {images.Shape}");
    }
}
