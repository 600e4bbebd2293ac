using Tessera.Data.Imaging;

namespace Tessera.Data.Images;

/// <summary>Images of one size that are all held in memory as one block of bytes [N, C, H, W].</summary>
public sealed class MemoryImages : ImageDataset
{
    private readonly byte[] pixels;
    private readonly int imageSize;

    /// <summary>A data set over a block of pixels, which it does not copy.</summary>
    /// <param name="name">Name in the registry.</param>
    /// <param name="split">Which part.</param>
    /// <param name="annotations">Annotations, one per image.</param>
    /// <param name="pixels">Values [N, C, H, W].</param>
    /// <param name="channels">C.</param>
    /// <param name="height">H.</param>
    /// <param name="width">W.</param>
    /// <param name="normalization">Mean and deviation; computed from these images when null.</param>
    /// <exception cref="DataException">The block does not hold one image per annotation.</exception>
    public MemoryImages(
        string name,
        string split,
        Annotations annotations,
        byte[] pixels,
        int channels,
        int height,
        int width,
        Normalization? normalization = null
    )
        : base(name, split, annotations)
    {
        imageSize = checked(channels * height * width);
        if (pixels.LongLength != (long)annotations.Count * imageSize)
            throw new DataException(
                $"{name} ({split}): {pixels.LongLength} bytes of pixels for {annotations.Count} labels, "
                    + $"where {annotations.Count} images of {channels}x{height}x{width} take {(long)annotations.Count * imageSize}"
            );
        this.pixels = pixels;
        (Channels, Height, Width) = (channels, height, width);
        Normalization = normalization ?? Normalization.Of(pixels, channels, height * width);
    }

    /// <summary>A data set over a block of pixels, which it does not copy, with a class per image.</summary>
    /// <param name="name">Name in the registry.</param>
    /// <param name="split">Which part.</param>
    /// <param name="classNames">Name per class.</param>
    /// <param name="labels">Class per image.</param>
    /// <param name="pixels">Values [N, C, H, W].</param>
    /// <param name="channels">C.</param>
    /// <param name="height">H.</param>
    /// <param name="width">W.</param>
    /// <param name="normalization">Mean and deviation; computed from these images when null.</param>
    /// <exception cref="DataException">The block does not hold one image per label.</exception>
    public MemoryImages(
        string name,
        string split,
        IReadOnlyList<string> classNames,
        IReadOnlyList<int> labels,
        byte[] pixels,
        int channels,
        int height,
        int width,
        Normalization? normalization = null
    )
        : this(name, split, new ClassLabels(classNames, labels, $"{name} ({split})"), pixels, channels, height, width, normalization) { }

    /// <inheritdoc/>
    public override int Channels { get; }

    /// <inheritdoc/>
    public override int? Height { get; }

    /// <inheritdoc/>
    public override int? Width { get; }

    /// <inheritdoc/>
    public override Normalization Normalization { get; }

    /// <inheritdoc/>
    public override bool InMemory => true;

    /// <summary>All pixels, [N, C, H, W].</summary>
    public ReadOnlyMemory<byte> Pixels => pixels;

    /// <inheritdoc/>
    public override void Read(int index, Raster target)
    {
        target.Resize(Channels, Height!.Value, Width!.Value);
        pixels.AsSpan(checked(index * imageSize), imageSize).CopyTo(target.Values);
    }
}
