using System.Buffers;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Tessera.Data.Imaging;
using Tessera.Data.Transforms;

namespace Tessera.Data.Images;

/// <summary>
/// An image after its transforms and before it is normalized: windows of it become a model's input as they are needed, so that a large
/// image takes a byte per value and not four. <c>pad_batch</c> has no part in it: the image stands alone.
/// </summary>
public sealed class ImagePixels
{
    private readonly Raster image;
    private readonly float[] table;

    private ImagePixels(Raster image, float[] table, PreparedImage origin) => (this.image, this.table, Origin) = (image, table, origin);

    /// <summary>Which part of which original it shows.</summary>
    public PreparedImage Origin { get; }

    /// <summary>Height and width after the transforms.</summary>
    public ImageSize Size => new(image.Height, image.Width);

    /// <summary>Reads an image of a data set and transforms it.</summary>
    /// <param name="data">The data set.</param>
    /// <param name="index">Position of the image.</param>
    /// <param name="pipeline">What happens to it.</param>
    /// <exception cref="UnreadableImageException">The file cannot be decoded.</exception>
    /// <exception cref="DataException">A transform is for normalized images, of which there is none yet.</exception>
    internal static ImagePixels Of(ImageDataset data, int index, Pipeline pipeline)
    {
        if (pipeline.Transforms.OfType<FloatTransform>().FirstOrDefault() is { } unfit)
            throw new DataException(
                $"{data.SampleName(index)}: {TransformRegistry.NameOf(unfit)} changes normalized images, and this one is normalized in "
                    + "windows: leave it out of evaluation.transforms"
            );
        var view = new ImageViewBuilder(data, pipeline, 0, new());
        view.Show(index, new(0, 0, index, Streams.Sample));
        var normalization = pipeline.Normalization ?? data.Normalization;
        return new(view.Shown, normalization.Table(view.Shown.Channels), view.Origin);
    }

    /// <summary>A window as a model takes it.</summary>
    /// <param name="top">First row.</param>
    /// <param name="left">First column.</param>
    /// <param name="height">Number of rows.</param>
    /// <param name="width">Number of columns.</param>
    /// <returns>[1, C, H, W], on the CPU and owned by the current scope.</returns>
    /// <exception cref="ArgumentOutOfRangeException">The window reaches over an edge.</exception>
    public Tensor Window(int top, int left, int height, int width)
    {
        if (top < 0 || left < 0 || height < 1 || width < 1 || top > image.Height - height || left > image.Width - width)
            throw new ArgumentOutOfRangeException(nameof(top), $"{height}x{width} at {top}, {left} is not inside of an image of {Size}");
        var length = checked(image.Channels * height * width);
        // Windows come by the hundred.
        var rented = ArrayPool<float>.Shared.Rent(length);
        var values = rented.AsSpan(0, length);
        for (var c = 0; c < image.Channels; c++)
        {
            ref var first = ref MemoryMarshal.GetReference(table.AsSpan(c * 256, 256));
            for (var y = 0; y < height; y++)
            {
                var source = image.Row(c, top + y).Slice(left, width);
                var target = values.Slice((c * height + y) * width, width);
                // A byte is always inside of the table.
                for (var x = 0; x < source.Length && x < target.Length; x++)
                    target[x] = Unsafe.Add(ref first, source[x]);
            }
        }
        var window = Tensor.From<float>(values, 1, image.Channels, height, width);
        ArrayPool<float>.Shared.Return(rented);
        return window;
    }
}
