using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Tessera.Data;

/// <summary>Batches of images.</summary>
internal sealed class ImageBatchBuilder(ImageDataset dataset, Pipeline pipeline, ulong seed, BatchMemory memory, Replacement replacement)
    : BatchBuilder
{
    // Where that many draws in a row give nothing, almost all images are unreadable.
    private const int MostDraws = 100;

    private readonly Canvas canvas = new()
    {
        Fill =
        [
            .. (pipeline.Normalization ?? dataset.Normalization).Mean.Select(mean =>
                (byte)Math.Clamp(Math.Round(255 * mean, MidpointRounding.ToEven), 0, 255)
            ),
        ],
    };
    private readonly ImageTransform[] imageTransforms = pipeline.ImageTransforms;
    private readonly FloatTransform[] floatTransforms = pipeline.FloatTransforms;
    private readonly Normalization normalization = pipeline.Normalization ?? dataset.Normalization;
    private readonly List<UnreadableImage> unreadable = [];
    private float[] table = [];

    protected override BatchData Build(ReadOnlySpan<Draw> draws, int[] share, bool idle, int epoch, int step)
    {
        unreadable.Clear();
        float[]? inputs = null;
        var labels = new long[share.Length];
        var indices = new int[share.Length];
        var views = new ImageView[share.Length];
        var (count, channels, height, width) = (0, 0, 0, 0);
        foreach (var position in share)
        {
            var draw = draws[position];
            if (Show(draw, epoch, out var random) is not { } index)
                continue;
            var image = canvas.Image;
            if (inputs is null)
            {
                (channels, height, width) = (image.Channels, image.Height, image.Width);
                inputs = memory.Rent(checked(share.Length * channels * height * width));
            }
            else if ((channels, height, width) != (image.Channels, image.Height, image.Width))
            {
                throw new DataException(
                    $"{dataset.Name}: image {dataset.SampleName(index)} is {image.Channels}x{image.Height}x{image.Width} after its transforms, others of the batch {channels}x{height}x{width}: add a crop or resize that makes them equal"
                );
            }
            var target = inputs.AsSpan(count * image.Values.Length, image.Values.Length);
            Normalize(image, target);
            foreach (var transform in floatTransforms)
                transform.Apply(target, channels, height, width, ref random);
            (labels[count], indices[count], views[count]) = (dataset.Labels[index], index, canvas.View);
            count++;
        }
        (labels, indices, views) = (labels[..count], indices[..count], views[..count]);
        long[] shape = [count, channels, height, width];
        var made = inputs ?? memory.Rent(0);
        return new()
        {
            Inputs = () => memory.Wrap(made, shape),
            Labels = labels,
            Indices = indices,
            Views = views,
            Targets = inputs is null
                ? null
                : Mix(inputs.AsSpan(0, count * channels * height * width), labels, share, draws.Length, height, width, epoch, step),
            Whole = draws.Length - (share.Length - count),
            Idle = idle,
            Unreadable = [.. unreadable],
        };
    }

    /// <summary>
    /// Reads and transforms a sample, or another one in its place: which, depends on the seed, the epoch and the sample alone. Null leaves it out.
    /// </summary>
    private int? Show(Draw draw, int epoch, out SampleRandom random)
    {
        var index = draw.Index;
        var others = new SampleRandom(seed, epoch, draw.Index, Streams.Replacement + draw.Repeat);
        for (var tried = 0; tried < MostDraws; tried++)
        {
            random = draw.Random(seed, epoch);
            try
            {
                Show(index, ref random);
                return index;
            }
            catch (UnreadableImageException error)
            {
                unreadable.Add(new(index, dataset.SampleName(index), error.Problem));
                if (replacement == Replacement.None)
                    return null;
                index = others.Below(dataset.Count);
            }
        }
        throw new DataException(
            $"{dataset.Name} ({dataset.Split}): {MostDraws} images in a row cannot be read; the last is {unreadable[^1].Name}: {unreadable[^1].Problem}"
        );
    }

    private void Show(int index, ref SampleRandom random)
    {
        canvas.View = ImageView.Whole;
        var done = 0;
        // Of a file, only the part that the first transform wants is decoded.
        if (imageTransforms is [RandomResizedCrop crop, ..] && dataset.Open(index) is { } file)
        {
            using (file)
                crop.Apply(canvas, file, pipeline.ShrinkOnLoad, ref random);
            done = 1;
        }
        else
            dataset.Read(index, canvas.Image);
        foreach (var transform in imageTransforms.AsSpan(done))
            transform.Apply(canvas, ref random);
    }

    private float[]? Mix(Span<float> inputs, long[] labels, int[] share, int whole, int height, int width, int epoch, int step)
    {
        if (pipeline.Mixing is not { } mixing)
            return null;
        var plan = mixing.PlanOf(share, labels.Length, whole, height, width, seed, epoch, step);
        Mixing.Apply(inputs, plan, height, width);
        return mixing.Targets(labels, plan, dataset.ClassNames.Count);
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
