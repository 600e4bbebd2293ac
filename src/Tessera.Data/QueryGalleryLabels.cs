namespace Tessera.Data;

/// <summary>
/// One class per sample, where some samples are queries and the others are what is searched: a query is found by the others of its class.
/// </summary>
public sealed class QueryGalleryLabels : Annotations
{
    private readonly ClassLabels labels;

    /// <summary>The classes of samples and what each is for.</summary>
    /// <param name="labels">Class per sample.</param>
    /// <param name="isQuery">Whether each sample is a query; the others are searched.</param>
    /// <exception cref="DataException">The lists are not equally long.</exception>
    public QueryGalleryLabels(ClassLabels labels, IReadOnlyList<bool> isQuery)
        : base(labels.ClassNames)
    {
        if (labels.Count != isQuery.Count)
            throw new DataException($"{labels.Count} labels and {isQuery.Count} roles: there must be one of each per sample");
        (this.labels, IsQuery) = (labels, isQuery);
    }

    /// <summary>Class per sample.</summary>
    public IReadOnlyList<int> Labels => labels.Labels;

    /// <summary>Whether each sample is a query; the others are searched.</summary>
    public IReadOnlyList<bool> IsQuery { get; }

    /// <inheritdoc/>
    public override int Count => labels.Count;

    /// <inheritdoc/>
    public override IReadOnlyList<int> SamplesPerClass => labels.SamplesPerClass;

    /// <inheritdoc/>
    public override string MixingObstacle => "queries and what is searched are compared as they are";

    /// <inheritdoc/>
    public override QueryGalleryLabels Part(IReadOnlyList<int> indices) =>
        new(labels.Part(indices), [.. indices.Select(index => IsQuery[index])]);

    /// <inheritdoc/>
    public override QueryGalleryLabels Renumbered(ClassMapping mapping) => new(labels.Renumbered(mapping), IsQuery);

    /// <inheritdoc/>
    public override int StratumOf(int index) => 2 * Labels[index] + (IsQuery[index] ? 1 : 0);

    /// <inheritdoc/>
    public override string StratumName(int stratum) =>
        $"{(stratum % 2 == 1 ? "the queries" : "the searched samples")} of {labels.StratumName(stratum / 2)}";

    /// <inheritdoc/>
    public override string Describe(int index) => $"{labels.Describe(index)} {(IsQuery[index] ? "query" : "gallery")}";

    /// <inheritdoc/>
    public override Func<RetrievalTargets> Gather(TargetRequest request) => () => new(this, request.Indices.Count);
}
