using Tessera.Data.Images;
using Tessera.Data.Imaging;
using Tessera.Data.Loading;
using Tessera.Data.Transforms;
using Tessera.Training.Drawing;

namespace Tessera.Training.Tasks;

/// <summary>Images of a data set for reports.</summary>
internal static class SamplePictures
{
    /// <summary>An image as it lies in the data set, as the source of an img element.</summary>
    internal static string Original(ImageDataset data, int index)
    {
        var raster = new Raster();
        data.Read(index, raster);
        return Png.DataUri(raster.ToInterleaved(), raster.Height, raster.Width, raster.Channels);
    }

    /// <summary>An image as it lies in the data set, shrunk so that no side is longer than a number of pixels.</summary>
    internal static Raster Fitting(ImageDataset data, int index, int longest)
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
        return canvas.Image;
    }

    /// <summary>An image as a model sees it, [1, C, H, W]; owned by the current scope.</summary>
    internal static Tensor Prepare(LoadableDataset data, int index, Pipeline pipeline) =>
        new Loader(data.Part([index]), pipeline, new(1) { Workers = 0 }).Epoch(0).First().Inputs;
}
