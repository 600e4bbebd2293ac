using Tessera.Data.Transforms;

namespace Tessera.Data.Images;

/// <summary>Normalised images of different sizes that wait for the largest of their batch to be known.</summary>
/// <param name="padding">How the batch is padded.</param>
internal sealed class PaddedImages(PadBatch padding)
{
    // One per image of a batch, used again by the next batch.
    private readonly List<float[]> memory = [];
    private readonly List<ImageSize> sizes = [];

    /// <summary>The sizes of the images, without padding.</summary>
    internal IReadOnlyList<ImageSize> Sizes => sizes;

    /// <summary>The size that all are padded to; 0x0 where there is no image.</summary>
    internal ImageSize Largest =>
        new ImageSize(sizes.Select(size => size.Height).DefaultIfEmpty().Max(), sizes.Select(size => size.Width).DefaultIfEmpty().Max()).Up(
            padding.Multiple
        );

    /// <summary>Begins a batch.</summary>
    internal void Clear() => sizes.Clear();

    /// <summary>Memory for the next image, [C, H, W].</summary>
    internal Span<float> Add(ImageSize size, int channels)
    {
        var (place, length) = (sizes.Count, checked(channels * size.Height * size.Width));
        if (place == memory.Count)
            memory.Add([]);
        if (memory[place].Length < length)
            memory[place] = new float[length];
        sizes.Add(size);
        return memory[place].AsSpan(0, length);
    }

    /// <summary>Puts every image at the upper left of its place, and 0 around it.</summary>
    /// <param name="target">[B, C, H, W].</param>
    /// <param name="channels">C.</param>
    internal void CopyTo(Span<float> target, int channels)
    {
        target.Clear();
        var (height, width) = Largest;
        for (var i = 0; i < sizes.Count; i++)
        for (var c = 0; c < channels; c++)
        for (var y = 0; y < sizes[i].Height; y++)
            memory[i]
                .AsSpan((c * sizes[i].Height + y) * sizes[i].Width, sizes[i].Width)
                .CopyTo(target[(((i * channels + c) * height + y) * width)..]);
    }
}
