namespace Tessera.Data;

/// <summary>Labelled samples in a fixed order.</summary>
public abstract class Dataset
{
    /// <summary>A data set of the given samples.</summary>
    /// <param name="name">Name in the registry, as in <c>cifar10</c>.</param>
    /// <param name="split">Which part, as in <c>train</c>.</param>
    /// <param name="classNames">Name per class; the position is the label.</param>
    /// <param name="labels">Class per sample.</param>
    /// <exception cref="DataException">A label without a class.</exception>
    protected Dataset(string name, string split, IReadOnlyList<string> classNames, IReadOnlyList<int> labels)
    {
        for (var i = 0; i < labels.Count; i++)
            if (labels[i] < 0 || labels[i] >= classNames.Count)
                throw new DataException($"{name} ({split}): sample {i} has label {labels[i]}, but there are {classNames.Count} classes");
        (Name, Split, ClassNames, Labels) = (name, split, classNames, labels);
    }

    /// <summary>Name in the registry.</summary>
    public string Name { get; }

    /// <summary>Which part: <c>train</c>, <c>test</c>, <c>val</c>.</summary>
    public string Split { get; }

    /// <summary>Name per class; the position is the label.</summary>
    public IReadOnlyList<string> ClassNames { get; }

    /// <summary>Class per sample.</summary>
    public IReadOnlyList<int> Labels { get; }

    /// <summary>Number of samples.</summary>
    public int Count => Labels.Count;

    /// <summary>What a person would look a sample up by: a file name, or its number.</summary>
    public virtual string SampleName(int index) => index.ToString(System.Globalization.CultureInfo.InvariantCulture);
}
