using Tessera.Data;
using Tessera.Data.Imaging;
using Tessera.Models;

namespace Tessera.Cli;

/// <summary>Turns image files into what a model takes: its channels and size, normalised.</summary>
internal static class ImageInput
{
    // Weights of red, green and blue in grey: ITU-R BT.601, as image libraries have them.
    private static readonly float[] Luma = [0.299f, 0.587f, 0.114f];

    /// <summary>An image as a batch of one, [1, C, H, W].</summary>
    /// <exception cref="DataException">No image, or one that cannot be decoded.</exception>
    internal static Tensor Read(string path, Backbone model, Normalization normalization)
    {
        var (pixels, height, width, channels) = ImageDecoder.DecodeBytes(path, File.ReadAllBytes(path));
        return Torch.Scope(() =>
        {
            var image = Tensor.From(pixels, height, width, channels).Permute(2, 0, 1).Unsqueeze(0).To(DType.Float32);
            image = FitSize(FitChannels(image, model.Channels), model.ImageSize);
            var mean = Tensor.From(Spread(normalization.Mean, model.Channels), 1, model.Channels, 1, 1);
            var deviation = Tensor.From(Spread(normalization.Deviation, model.Channels), 1, model.Channels, 1, 1);
            return (image / 255 - mean) / deviation;
        });
    }

    private static Tensor FitChannels(Tensor image, int channels) // [1, C, H, W]
    {
        var given = (int)image.Size(1);
        // What comes after grey, or after red, green and blue, is transparency.
        image = given is 2 or 4 ? image.Slice(1, 0, given - 1) : image;
        return (image.Size(1), channels) switch
        {
            (3, 1) => (image * Tensor.From(Luma, 1, 3, 1, 1)).Sum([1], keepdim: true).Round(),
            (1, 3) => image.Expand([1, 3, image.Size(2), image.Size(3)]),
            var (own, wanted) when own == wanted => image,
            var (own, wanted) => throw new DataException($"an image of {own} channels for a model of {wanted}"),
        };
    }

    // The shorter side is brought to the model's, then the middle is cut out.
    private static Tensor FitSize(Tensor image, (int Height, int Width) size) // [1, C, H, W]
    {
        var (height, width) = (image.Size(2), image.Size(3));
        if ((height, width) == (size.Height, size.Width)) return image;
        var scale = Math.Max(size.Height / (double)height, size.Width / (double)width);
        var (newHeight, newWidth) = (Math.Max(size.Height, (long)Math.Round(height * scale)), Math.Max(size.Width, (long)Math.Round(width * scale)));
        image = image.Contiguous().UpsampleBicubic2dAa([newHeight, newWidth], false).Clamp(0, 255).Round();
        var (top, left) = ((newHeight - size.Height) / 2, (newWidth - size.Width) / 2);
        return image.Slice(2, top, top + size.Height).Slice(3, left, left + size.Width);
    }

    private static float[] Spread(IReadOnlyList<float> values, int channels) => values.Count == channels ? [.. values] : [.. Enumerable.Repeat(values[0], channels)];
}
