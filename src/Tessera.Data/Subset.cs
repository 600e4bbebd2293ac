using Tessera.Data.Imaging;

namespace Tessera.Data;

/// <summary>Some samples of a data set; everything else is the data set's own.</summary>
public sealed class Subset : ImageDataset
{
    private readonly ImageDataset whole;
    private readonly IReadOnlyList<int> indices;

    /// <summary>The first samples.</summary>
    /// <param name="whole">All samples.</param>
    /// <param name="count">How many are taken.</param>
    /// <exception cref="DataException">There are not as many.</exception>
    public Subset(ImageDataset whole, int count)
        : this(
            whole,
            count >= 0 && count <= whole.Count
                ? [.. Enumerable.Range(0, count)]
                : throw new DataException($"{whole.Name} ({whole.Split}): the first {count} of {whole.Count} samples")
        ) { }

    /// <summary>Given samples.</summary>
    /// <param name="whole">All samples.</param>
    /// <param name="indices">Positions of those that are taken, in the order that they have here.</param>
    /// <param name="split">Name of the part; that of the whole by default.</param>
    /// <exception cref="DataException">A position that does not exist.</exception>
    public Subset(ImageDataset whole, IReadOnlyList<int> indices, string? split = null)
        : base(
            whole.Name,
            split ?? whole.Split,
            whole.ClassNames,
            [
                .. indices.Select(index =>
                    index >= 0 && index < whole.Count
                        ? whole.Labels[index]
                        : throw new DataException($"{whole.Name} ({whole.Split}): sample {index} of {whole.Count}")
                ),
            ]
        ) => (this.whole, this.indices) = (whole, indices);

    /// <inheritdoc/>
    public override int Channels => whole.Channels;

    /// <inheritdoc/>
    public override int? Height => whole.Height;

    /// <inheritdoc/>
    public override int? Width => whole.Width;

    /// <inheritdoc/>
    public override Normalization Normalization => whole.Normalization;

    /// <inheritdoc/>
    public override bool InMemory => whole.InMemory;

    /// <inheritdoc/>
    public override string SampleName(int index) => whole.SampleName(indices[index]);

    /// <inheritdoc/>
    public override void Read(int index, Raster target) => whole.Read(indices[index], target);

    /// <inheritdoc/>
    public override ImageFile? Open(int index) => whole.Open(indices[index]);
}
