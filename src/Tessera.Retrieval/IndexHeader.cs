namespace Tessera.Retrieval;

/// <summary>What an index says of the descriptors in it. It is written once and never changed.</summary>
/// <param name="Dimension">Numbers of a descriptor, at least 1.</param>
/// <param name="Model">The model that makes the descriptors, in words for people.</param>
/// <param name="ModelHash">Hash of the model's weights: descriptors of other weights do not belong here.</param>
/// <param name="PreprocessingHash">Hash of how samples are prepared for the model.</param>
public sealed record IndexHeader(int Dimension, string Model, string ModelHash, string PreprocessingHash)
{
    /// <summary>The reduction between the model's descriptors and those of the index; null where there is none.</summary>
    public VectorProjection? Projection { get; init; }

    /// <summary>Whatever else belongs to the index: how the model pools, the folder that was read.</summary>
    public IReadOnlyDictionary<string, string> Notes { get; init; } = new Dictionary<string, string>();
}
