namespace Tessera.Data;

/// <summary>Samples in a fixed order, with their annotations.</summary>
/// <param name="name">Name in the registry, as in <c>cifar10</c>.</param>
/// <param name="split">Which part, as in <c>train</c>.</param>
/// <param name="annotations">Class, classes, map or boxes of each sample, or none.</param>
public abstract class Dataset(string name, string split, Annotations annotations)
{
    /// <summary>Name in the registry.</summary>
    public string Name { get; } = name;

    /// <summary>Which part: <c>train</c>, <c>test</c>, <c>val</c>.</summary>
    public string Split { get; } = split;

    /// <summary>Class, classes, map or boxes of each sample, or none.</summary>
    public Annotations Annotations { get; } = annotations;

    /// <summary>Name per class; empty where there are no classes.</summary>
    public IReadOnlyList<string> ClassNames => Annotations.ClassNames;

    /// <summary>Number of samples.</summary>
    public int Count => Annotations.Count;

    /// <summary>What was found out of the ordinary as the samples were listed, such as files that were left out; a line each.</summary>
    public IReadOnlyList<string> Remarks { get; init; } = [];

    /// <summary>The name by which people find a sample: its file, or its number.</summary>
    public virtual string SampleName(int index) => index.ToString(System.Globalization.CultureInfo.InvariantCulture);

    /// <summary>Some of the samples; everything else is the data set's own.</summary>
    /// <param name="indices">Their positions, in the order that they have then.</param>
    /// <param name="split">Name of the part; that of the whole by default.</param>
    /// <exception cref="DataException">A position that does not exist.</exception>
    public abstract Dataset Part(IReadOnlyList<int> indices, string? split = null);

    /// <summary>The same samples with other annotations, one per sample.</summary>
    /// <exception cref="DataException">Not one annotation per sample.</exception>
    public abstract Dataset Relabelled(Annotations annotations);

    /// <summary>The same samples, where no image file may have more pixels than a number; others stay as they are.</summary>
    /// <param name="most">The number.</param>
    public virtual Dataset WithMaxPixels(long most) => this;

    /// <summary>Refuses annotations of other samples.</summary>
    private protected Annotations Checked(Annotations annotations) =>
        annotations.Count == Count
            ? annotations
            : throw new DataException($"{Name} ({Split}): {annotations.Count} annotations for {Count} samples");

    /// <summary>Refuses positions that do not exist.</summary>
    private protected IReadOnlyList<int> Checked(IReadOnlyList<int> indices)
    {
        foreach (var index in indices)
            if (index < 0 || index >= Count)
                throw new DataException($"{Name} ({Split}): there is no sample {index} among {Count}");
        return indices;
    }
}
