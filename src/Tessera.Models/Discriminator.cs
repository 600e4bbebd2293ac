using Tessera.Models.Layers;

namespace Tessera.Models;

/// <summary>
/// Tells real images from those of a <see cref="ImageGenerator"/>: images [B, C, H, W] in [0, 1] to scores [B, 1], which are higher the more
/// real they look.
/// </summary>
public abstract class Discriminator : Layer
{
    /// <summary>The number that a batch must be divisible by, unless it is smaller; 1 for any batch.</summary>
    public virtual int BatchMultiple => 1;
}
