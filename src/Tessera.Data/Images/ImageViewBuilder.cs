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
    private readonly PaddedImages? padded = pipeline.Views[number].OfType<PadBatch>().FirstOrDefault() is { } padding ? new(padding) : null;
    private readonly Normalization normalization = pipeline.Normalization ?? dataset.Normalization;
    private readonly LabelMaps? maps = dataset.Annotations as LabelMaps;
    private readonly ObjectBoxes? boxes = dataset.Annotations as ObjectBoxes;
    private readonly List<(Sight Sight, ImageSize Original)> images = [];
    private readonly List<LabelMap?> lookedAt = [];
    private float[] table = [];
    private float[]? inputs;
    private SampleRandom random;
    private ImageSize original;
    private int capacity,
        channels,
        current;

    /// <summary>Rows of the images of the batch; with padding, once it has ended.</summary>
    internal int Height { get; private set; }

    /// <summary>Columns of the images of the batch; with padding, once it has ended.</summary>
    internal int Width { get; private set; }

    /// <summary>Where the targets of each image come from that was taken.</summary>
    internal IReadOnlyList<PreparedImage> Images => [.. images.Select(image => image.Sight.Targets(image.Original))];

    /// <summary>The label maps that transforms have looked at.</summary>
    internal IReadOnlyList<LabelMap?> LookedAt => [.. lookedAt];

    /// <summary>The image that was shown last, which the next one takes the place of.</summary>
    internal Raster Shown => canvas.Image;

    /// <summary>Which part of its original that image shows.</summary>
    internal PreparedImage Origin => new(canvas.View, canvas.Visible, original);

    /// <summary>All values that were taken, [B, C, H, W], of images of one size.</summary>
    internal Span<float> Values => inputs.AsSpan(0, images.Count * channels * Height * Width);

    /// <summary>Begins a batch.</summary>
    /// <param name="most">Most images that it gets.</param>
    internal void Begin(int most)
    {
        (capacity, inputs, channels, Height, Width) = (most, null, 0, 0, 0);
        images.Clear();
        lookedAt.Clear();
        padded?.Clear();
    }

    /// <summary>Reads an image and transforms it; it is part of the batch after <see cref="Take"/>.</summary>
    /// <exception cref="UnreadableImageException">The file cannot be decoded.</exception>
    internal void Show(int index, SampleRandom draws)
    {
        (random, current) = (draws, index);
        canvas.Begin(maps is null ? null : () => maps.Of(index, original), boxes is null ? null : () => (boxes[index], original));
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
    /// <exception cref="DataException">The image is not as large as the others, and the batch is not padded.</exception>
    internal void Take()
    {
        var image = canvas.Image;
        if (images.Count == 0)
            (channels, Height, Width) = (image.Channels, image.Height, image.Width);
        var isOther = padded is null && (Height, Width) != (image.Height, image.Width);
        if (isOther || channels != image.Channels)
            throw new DataException(
                $"{dataset.Name}: image {dataset.SampleName(current)} is {image.Channels}x{image.Height}x{image.Width} "
                    + "after its transforms, "
                    + $"others of the batch are {channels}x{Height}x{Width}: add a crop or resize that makes them equal"
            );
        Span<float> target;
        if (padded is not null)
        {
            target = padded.Add(new(image.Height, image.Width), channels);
        }
        else
        {
            inputs ??= memory.Rent(checked(capacity * channels * Height * Width));
            target = inputs.AsSpan(images.Count * image.Values.Length, image.Values.Length);
        }
        Normalize(image, target);
        foreach (var transform in floatTransforms)
            transform.Apply(target, channels, image.Height, image.Width, ref random);
        images.Add((canvas.Sight, original));
        lookedAt.Add(canvas.ReadLabels);
    }

    /// <summary>The view with all images that were taken.</summary>
    internal ViewData End()
    {
        if (padded is not null)
            Join(padded);
        long[] shape = [images.Count, channels, Height, Width];
        var made = inputs ?? memory.Rent(0);
        return new(
            () => memory.Wrap(made, shape),
            [.. images.Select(image => image.Sight.View)],
            Sizes: padded is null ? null : [.. padded.Sizes]
        );
    }

    // Padding is a window that reaches over the lower and the right edge, so targets know of it as of any other.
    private void Join(PaddedImages waiting)
    {
        (Height, Width) = waiting.Largest;
        inputs = memory.Rent(checked(capacity * channels * Height * Width));
        waiting.CopyTo(Values, channels);
        for (var i = 0; i < images.Count; i++)
        {
            var ((sight, from), size) = (images[i], waiting.Sizes[i]);
            images[i] = (sight.Show(sight.View.Cut(0, 0, Height, Width, size.Height, size.Width)), from);
        }
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
