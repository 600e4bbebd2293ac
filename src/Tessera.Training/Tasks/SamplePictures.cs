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

    /// <summary>An image as a model sees it, [1, C, H, W]; owned by the current scope.</summary>
    internal static Tensor Prepare(LoadableDataset data, int index, Pipeline pipeline) =>
        new Loader(data.Part([index]), pipeline, new(1) { Workers = 0 }).Epoch(0).First().Inputs;
}
