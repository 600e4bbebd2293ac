using Tessera.Data;

namespace Tessera.Training.Objectives;

/// <summary>
/// Brightness, contrast and saturation of a batch on its device, each image by its own factors: for a second view of images that
/// are normalised already. Draws come from the default generator of the device.
/// </summary>
/// <param name="strength">Half-width s of the range [1 - s, 1 + s] of the factors, in [0, 1].</param>
/// <param name="normalization">Mean and deviation by which the images were normalised; it is undone for the jitter.</param>
internal sealed class ColorJitter(double strength, Normalization normalization)
{
    /// <summary>The view, [B, C, H, W].</summary>
    internal Tensor Of(Tensor images) => Of(images, Torch.Rand([3, images.Size(0), 1, 1, 1], device: images.Device));

    /// <summary>The view that given draws make, [B, C, H, W].</summary>
    /// <param name="images">Normalised images, [B, C, H, W].</param>
    /// <param name="draws">Uniform in [0, 1), [3, B, 1, 1, 1].</param>
    internal Tensor Of(Tensor images, Tensor draws) =>
        Torch.Scope(() =>
        {
            var (mean, deviation) = (PerChannel(normalization.Mean), PerChannel(normalization.Deviation));
            var pixels = images * deviation + mean;
            var factors = draws * (2 * strength) + (1 - strength);
            pixels = (pixels * factors[0]).Clamp(0, 1);
            pixels = Blend(Gray(pixels).Mean([1, 2, 3], true), factors[1], pixels);
            if (images.Size(1) == 3)
                pixels = Blend(Gray(pixels), factors[2], pixels);
            return (pixels - mean) / deviation;

            Tensor PerChannel(IReadOnlyList<float> values) => Tensor.From([.. values], 1, values.Count, 1, 1).To(images.Device);
        });

    private static Tensor Blend(Tensor from, Tensor factor, Tensor pixels) => (from + (pixels - from) * factor).Clamp(0, 1);

    // The weights of ITU-R 601, as in Pillow.
    private static Tensor Gray(Tensor pixels) =>
        pixels.Size(1) == 3
            ? 0.299 * pixels.Slice(1, 0, 1) + 0.587 * pixels.Slice(1, 1, 2) + 0.114 * pixels.Slice(1, 2, 3)
            : pixels.Mean([1], true);
}
