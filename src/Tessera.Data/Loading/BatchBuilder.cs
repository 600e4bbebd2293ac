namespace Tessera.Data;

/// <summary>Makes batches: one per worker, since it owns the images in work.</summary>
internal sealed class BatchBuilder(ImageDataset dataset, Pipeline pipeline, ulong seed, BatchMemory memory)
{
    private readonly Canvas canvas = new();
    private readonly ImageTransform[] imageTransforms = pipeline.ImageTransforms;
    private readonly FloatTransform[] floatTransforms = pipeline.FloatTransforms;
    private readonly float[] table = (pipeline.Normalization ?? dataset.Normalization).Table(dataset.Channels);

    internal BatchData Build(ReadOnlySpan<Draw> draws, int epoch)
    {
        float[]? inputs = null;
        var labels = new long[draws.Length];
        var indices = new int[draws.Length];
        var (channels, height, width) = (0, 0, 0);
        for (var i = 0; i < draws.Length; i++)
        {
            var draw = draws[i];
            var random = new SampleRandom(seed, epoch, draw.Index, Streams.Sample + draw.Repeat);
            dataset.Read(draw.Index, canvas.Image);
            foreach (var transform in imageTransforms) transform.Apply(canvas, ref random);
            var image = canvas.Image;
            if (inputs is null)
            {
                (channels, height, width) = (image.Channels, image.Height, image.Width);
                inputs = memory.Rent(checked(draws.Length * channels * height * width));
            }
            else if ((channels, height, width) != (image.Channels, image.Height, image.Width))
            {
                throw new DataException($"{dataset.Name}: image {dataset.SampleName(draw.Index)} is {image.Channels}x{image.Height}x{image.Width} after its transforms, others of the batch {channels}x{height}x{width}: add a crop or resize that makes them equal");
            }
            var target = inputs.AsSpan(i * image.Values.Length, image.Values.Length);
            Normalize(image, target);
            foreach (var transform in floatTransforms) transform.Apply(target, channels, height, width, ref random);
            labels[i] = dataset.Labels[draw.Index];
            indices[i] = draw.Index;
        }
        return new() { Inputs = inputs ?? memory.Rent(0), Shape = [draws.Length, channels, height, width], Labels = labels, Indices = indices };
    }

    private void Normalize(Raster image, Span<float> target)
    {
        if (image.Channels * 256 != table.Length) throw new DataException($"{dataset.Name}: images of {image.Channels} channels after their transforms, where normalization is for {table.Length / 256}");
        for (var c = 0; c < image.Channels; c++)
        {
            var values = table.AsSpan(c * 256, 256);
            var source = image.Plane(c);
            var plane = target.Slice(c * source.Length, source.Length);
            for (var i = 0; i < source.Length; i++) plane[i] = values[source[i]];
        }
    }
}
