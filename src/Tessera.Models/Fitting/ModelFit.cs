namespace Tessera.Models.Fitting;

/// <summary>How well weights fit a model.</summary>
public enum FitKind
{
    /// <summary>All names and shapes agree.</summary>
    Complete,

    /// <summary>They fit a model of this name with another number of classes, image size or number of channels.</summary>
    WithOptions,

    /// <summary>Some names agree.</summary>
    Partial,

    /// <summary>No name agrees.</summary>
    None,
}

/// <summary>How weights fit a model.</summary>
/// <param name="Model">Name in the registry.</param>
/// <param name="Kind">How well.</param>
/// <param name="Differences">What differs in names and shapes, classifier and position tables of another size apart.</param>
/// <param name="Agreeing">Tensors of the weights whose names and shapes agree.</param>
public sealed record ModelFit(string Model, FitKind Kind, StateDictReport Differences, int Agreeing)
{
    /// <summary>Classes of the weights, where the model's own number is another; 0 for weights without a classifier.</summary>
    public int? Classes { get; init; }

    /// <summary>Channels of the images, where the model's own number is another.</summary>
    public int? Channels { get; init; }

    /// <summary>Tables of positions for another image size: the model's shape and that of the weights.</summary>
    public IReadOnlyList<(string Name, Shape Own, Shape Given)> Resized { get; init; } = [];

    /// <summary>Number of differing names and shapes.</summary>
    public int Differing => Differences.Missing.Count + Differences.Unexpected.Count + Differences.Mismatched.Count;
}
