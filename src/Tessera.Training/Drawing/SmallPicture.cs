using Tessera.Data;
using Tessera.Data.Images;
using Tessera.Data.Imaging;

namespace Tessera.Training.Drawing;

/// <summary>Images of a data set, shrunk for a page.</summary>
internal static class SmallPicture
{
    /// <summary>An image as it lies in the data set, shrunk so that no side is longer than a number of pixels; never enlarged.</summary>
    /// <param name="data">The data set.</param>
    /// <param name="index">Position of the image.</param>
    /// <param name="longest">Most pixels of a side.</param>
    /// <exception cref="UnreadableImageException">The file cannot be decoded.</exception>
    internal static Raster Of(ImageDataset data, int index, int longest) => WithSize(data, index, longest).Image;

    /// <summary>The same, and the size of the image as it was.</summary>
    /// <inheritdoc cref="Of"/>
    internal static (Raster Image, ImageSize Original) WithSize(ImageDataset data, int index, int longest)
    {
        var canvas = new Canvas();
        using var file = data.Open(index);
        if (file is null)
            data.Read(index, canvas.Image);
        var (height, width) = file is null ? (canvas.Image.Height, canvas.Image.Width) : (file.Height, file.Width);
        var factor = Math.Min(1, (double)longest / Math.Max(height, width));
        var (h, w) = (Math.Max(1, (int)Math.Round(height * factor)), Math.Max(1, (int)Math.Round(width * factor)));
        if (file is not null)
            file.Resize(canvas, new(0, 0, height, width), h, w, Interpolation.Bilinear, shrink: true, data.Channels);
        else if ((h, w) != (height, width))
            Resampling.Resize(canvas, h, w, Interpolation.Bilinear);
        return (canvas.Image, new(height, width));
    }
}
