namespace Tessera.Data;

/// <summary>The first samples of a data set; everything else is the data set's own.</summary>
public sealed class Subset : ImageDataset
{
    private readonly ImageDataset whole;

    /// <summary>The first samples.</summary>
    /// <param name="whole">All samples.</param>
    /// <param name="count">How many are taken.</param>
    /// <exception cref="DataException">There are not as many.</exception>
    public Subset(ImageDataset whole, int count) : base(whole.Name, whole.Split, whole.ClassNames, [.. whole.Labels.Take(count)])
    {
        if (count < 0 || count > whole.Count) throw new DataException($"{whole.Name} ({whole.Split}): the first {count} of {whole.Count} samples");
        this.whole = whole;
    }

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
    public override string SampleName(int index) => whole.SampleName(index);

    /// <inheritdoc/>
    public override void Read(int index, Raster target) => whole.Read(index, target);
}
