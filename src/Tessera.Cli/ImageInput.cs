using Tessera.Data;
using Tessera.Data.Imaging;
using Tessera.Models;

namespace Tessera.Cli;

/// <summary>Turns image files into what a model takes: its channels and size, normalised.</summary>
internal static class ImageInput
{
    /// <summary>An image as a batch of one, [1, C, H, W].</summary>
    /// <exception cref="DataException">No image, or one that cannot be decoded.</exception>
    internal static Tensor Read(string path, Backbone model, Normalization normalization)
    {
        var raster = new Raster();
        ImageDecoder.Decode(path, raster, model.Channels, orient: true);
        return Torch.Scope(() =>
        {
            var image = FitSize(
                Tensor.From<byte>(raster.Values, 1, raster.Channels, raster.Height, raster.Width).To(DType.Float32),
                model.ImageSize
            );
            var mean = Tensor.From(Spread(normalization.Mean, model.Channels), 1, model.Channels, 1, 1);
            var deviation = Tensor.From(Spread(normalization.Deviation, model.Channels), 1, model.Channels, 1, 1);
            return (image / 255 - mean) / deviation;
        });
    }

    // The shorter side is brought to the model's, then the middle is cut out.
    private static Tensor FitSize(Tensor image, (int Height, int Width) size) // [1, C, H, W]
    {
        var (height, width) = (image.Size(2), image.Size(3));
        if ((height, width) == (size.Height, size.Width))
            return image;
        var scale = Math.Max(size.Height / (double)height, size.Width / (double)width);
        var (newHeight, newWidth) = (
            Math.Max(size.Height, (long)Math.Round(height * scale)),
            Math.Max(size.Width, (long)Math.Round(width * scale))
        );
        image = image.UpsampleBicubic2dAa([newHeight, newWidth], false).Clamp(0, 255).Round();
        var (top, left) = ((newHeight - size.Height) / 2, (newWidth - size.Width) / 2);
        return image.Slice(2, top, top + size.Height).Slice(3, left, left + size.Width);
    }

    private static float[] Spread(IReadOnlyList<float> values, int channels) =>
        values.Count == channels ? [.. values] : [.. Enumerable.Repeat(values[0], channels)];
}
