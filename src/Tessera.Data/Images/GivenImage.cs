using Tessera.Data.Imaging;
using Tessera.Data.Loading;
using Tessera.Data.Transforms;

namespace Tessera.Data.Images;

/// <summary>An image that a program has, as a data set of one: it is prepared by the same code as images that are measured.</summary>
/// <param name="image">The image.</param>
/// <param name="channels">1 to read it as grey, 3 as colours.</param>
/// <param name="normalization">Mean and deviation.</param>
internal sealed class GivenImage(Image image, int channels, Normalization normalization)
    : ImageDataset("images", "given", new Unlabelled(1))
{
    /// <inheritdoc/>
    public override int Channels => channels;

    /// <inheritdoc/>
    public override int? Height => null;

    /// <inheritdoc/>
    public override int? Width => null;

    /// <inheritdoc/>
    public override Normalization Normalization => normalization;

    /// <inheritdoc/>
    public override string SampleName(int index) => image.Name;

    /// <inheritdoc/>
    public override void Read(int index, Raster target)
    {
        using var file = image.OpenFile();
        file.Decode(target, channels);
    }

    /// <inheritdoc/>
    public override ImageFile Open(int index) => image.OpenFile();

    /// <summary>The image as a model sees it, [1, C, H, W]; owned by the current scope.</summary>
    /// <param name="pipeline">What happens to it.</param>
    /// <exception cref="UnreadableImageException">A damaged file.</exception>
    public Tensor Prepare(Pipeline pipeline) =>
        new Loader(this, pipeline, new(1) { Workers = 0, Replacement = Replacement.Never }).Epoch(0).First().Inputs;

    /// <summary>The image as a model sees it, before it is normalized.</summary>
    /// <param name="pipeline">What happens to it.</param>
    /// <exception cref="UnreadableImageException">A damaged file.</exception>
    public ImagePixels Pixels(Pipeline pipeline) => ImagePixels.Of(this, 0, pipeline);
}
