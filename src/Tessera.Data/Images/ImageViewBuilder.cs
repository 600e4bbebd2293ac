using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Tessera.Data.Imaging;
using Tessera.Data.Loading;
using Tessera.Data.Transforms;

namespace Tessera.Data.Images;

/// <summary>One view of the images of a batch: reads, transforms and normalises them one by one.</summary>
/// <param name="dataset">Images to read.</param>
/// <param name="pipeline">Transforms of the images.</param>
/// <param name="number">Number of the view, from 0.</param>
/// <param name="memory">Where batches lie.</param>
internal sealed class ImageViewBuilder(ImageDataset dataset, Pipeline pipeline, int number, BatchMemory memory)
{
    private readonly Canvas canvas = new()
    {
        Fill =
        [
            .. (pipeline.Normalization ?? dataset.Normalization).Mean.Select(mean =>
                (byte)Math.Clamp(Math.Round(255 * mean, MidpointRounding.ToEven), 0, 255)
            ),
        ],
    };
    private readonly ImageTransform[] imageTransforms = [.. pipeline.Views[number].OfType<ImageTransform>()];
    private readonly FloatTransform[] floatTransforms = [.. pipeline.Views[number].OfType<FloatTransform>()];
    private readonly Normalization normalization = pipeline.Normalization ?? dataset.Normalization;
    private readonly List<PreparedImage> images = [];
    private float[] table = [];
    private float[]? inputs;
    private SampleRandom random;
    private ImageSize original;
    private int capacity,
        channels,
        current;

    /// <summary>Rows of the images of the batch.</summary>
    internal int Height { get; private set; }

    /// <summary>Columns of the images of the batch.</summary>
    internal int Width { get; private set; }

    /// <summary>Where each image comes from that was taken.</summary>
    internal IReadOnlyList<PreparedImage> Images => [.. images];

    /// <summary>All values that were taken, [B, C, H, W].</summary>
    internal Span<float> Values => inputs.AsSpan(0, images.Count * channels * Height * Width);

    /// <summary>Begins a batch.</summary>
    /// <param name="most">Most images that it gets.</param>
    internal void Begin(int most)
    {
        (capacity, inputs, channels, Height, Width) = (most, null, 0, 0, 0);
        images.Clear();
    }

    /// <summary>Reads an image and transforms it; it is part of the batch after <see cref="Take"/>.</summary>
    /// <exception cref="UnreadableImageException">The file cannot be decoded.</exception>
    internal void Show(int index, SampleRandom draws)
    {
        (random, current) = (draws, index);
        canvas.Begin();
        var done = 0;
        // Of a file, only what the first transform wants is decoded.
        if (imageTransforms is [var first, ..] && dataset.Open(index) is { } file)
        {
            using (file)
            {
                original = new(file.Height, file.Width);
                first.Apply(canvas, file, dataset.Channels, pipeline.ShrinkOnLoad, ref random);
            }
            done = 1;
        }
        else
        {
            dataset.Read(index, canvas.Image);
            original = new(canvas.Image.Height, canvas.Image.Width);
        }
        foreach (var transform in imageTransforms.AsSpan(done))
            transform.Apply(canvas, ref random);
    }

    /// <summary>Makes the image that was shown last part of the batch.</summary>
    /// <exception cref="DataException">The image is not as large as the others.</exception>
    internal void Take()
    {
        var image = canvas.Image;
        if (inputs is null)
        {
            (channels, Height, Width) = (image.Channels, image.Height, image.Width);
            inputs = memory.Rent(checked(capacity * channels * Height * Width));
        }
        else if ((channels, Height, Width) != (image.Channels, image.Height, image.Width))
        {
            throw new DataException(
                $"{dataset.Name}: image {dataset.SampleName(current)} is {image.Channels}x{image.Height}x{image.Width} "
                    + "after its transforms, "
                    + $"others of the batch are {channels}x{Height}x{Width}: add a crop or resize that makes them equal"
            );
        }
        var target = inputs.AsSpan(images.Count * image.Values.Length, image.Values.Length);
        Normalize(image, target);
        foreach (var transform in floatTransforms)
            transform.Apply(target, channels, Height, Width, ref random);
        images.Add(new(canvas.View, canvas.Visible, original));
    }

    /// <summary>The view with all images that were taken.</summary>
    internal ViewData End()
    {
        long[] shape = [images.Count, channels, Height, Width];
        var made = inputs ?? memory.Rent(0);
        return new(() => memory.Wrap(made, shape), [.. images.Select(image => image.View)]);
    }

    private void Normalize(Raster image, Span<float> target)
    {
        // Transforms may change the number of channels, so the table is made when the first image is there.
        if (table.Length != image.Channels * 256)
            table = normalization.Table(image.Channels);
        for (var c = 0; c < image.Channels; c++)
        {
            var values = table.AsSpan(c * 256, 256);
            var source = image.Plane(c);
            var plane = target.Slice(c * source.Length, source.Length);
            ref var first = ref MemoryMarshal.GetReference(values);
            // A byte is always inside of the table.
            for (var i = 0; i < source.Length && i < plane.Length; i++)
                plane[i] = Unsafe.Add(ref first, source[i]);
        }
    }
}
