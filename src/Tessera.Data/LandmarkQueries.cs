namespace Tessera.Data;

/// <summary>
/// Queries with the samples that show the same particular object, easily or hardly to be recognised, among many that do not (Radenovic et
/// al., 2018, arXiv:1803.11285). All samples that are no queries are searched.
/// </summary>
public sealed class LandmarkQueries : Annotations
{
    private readonly HashSet<int> places;

    /// <summary>The queries among samples.</summary>
    /// <param name="count">Number of samples, queries and searched ones.</param>
    /// <param name="queries">The queries.</param>
    /// <exception cref="DataException">A position that does not exist, twice the same query, or a query that is searched for.</exception>
    public LandmarkQueries(int count, IReadOnlyList<LandmarkQuery> queries)
        : base([])
    {
        (Count, Queries) = (count, queries);
        places = [];
        foreach (var query in queries)
            if (query.Sample < 0 || query.Sample >= count || !places.Add(query.Sample))
                throw new DataException($"query {query.Sample} must be one of {count} samples, and be there once");
        foreach (var query in queries)
        foreach (var sample in query.Easy.Concat(query.Hard).Concat(query.Junk))
            if (sample < 0 || sample >= count || places.Contains(sample))
                throw new DataException($"query {query.Sample}: {sample} must be one of {count} samples, and no query");
    }

    /// <inheritdoc/>
    public override int Count { get; }

    /// <summary>The queries.</summary>
    public IReadOnlyList<LandmarkQuery> Queries { get; }

    /// <summary>Whether a sample is a query.</summary>
    /// <param name="index">Its position.</param>
    public bool IsQuery(int index) => places.Contains(index);

    /// <inheritdoc/>
    public override string MixingObstacle => "queries and what is searched are compared as they are";

    /// <summary>
    /// What is left where some samples are left out: queries that are still there, with those of their lists that are.
    /// </summary>
    /// <inheritdoc/>
    public override LandmarkQueries Part(IReadOnlyList<int> indices)
    {
        var now = new Dictionary<int, int>();
        foreach (var (place, index) in indices.Index())
            now.TryAdd(index, place);
        int[] Left(IReadOnlyList<int> list) => [.. list.Where(now.ContainsKey).Select(sample => now[sample])];
        return new(
            indices.Count,
            [
                .. Queries
                    .Where(query => now.ContainsKey(query.Sample))
                    .Select(query => new LandmarkQuery(now[query.Sample], Left(query.Easy), Left(query.Hard), Left(query.Junk))),
            ]
        );
    }

    /// <inheritdoc/>
    public override LandmarkQueries Renumbered(ClassMapping mapping) => this;

    /// <inheritdoc/>
    public override int StratumOf(int index) => IsQuery(index) ? 1 : 0;

    /// <inheritdoc/>
    public override string StratumName(int stratum) => stratum == 1 ? "the queries" : "the searched samples";

    /// <inheritdoc/>
    public override string Describe(int index) =>
        Queries.FirstOrDefault(query => query.Sample == index) is { } query
            ? $"easy {string.Join(' ', query.Easy)} hard {string.Join(' ', query.Hard)} junk {string.Join(' ', query.Junk)}"
            : "";

    /// <inheritdoc/>
    public override Func<RetrievalTargets> Gather(TargetRequest request) => () => new(this, request.Indices.Count);
}

/// <summary>A query for a particular object.</summary>
/// <param name="Sample">Its position among the samples.</param>
/// <param name="Easy">Positions of samples that show the object clearly.</param>
/// <param name="Hard">Positions of samples that show it in part, from far away or in bad light.</param>
/// <param name="Junk">Positions of samples that are neither right nor wrong: too little of the object is seen.</param>
public sealed record LandmarkQuery(int Sample, IReadOnlyList<int> Easy, IReadOnlyList<int> Hard, IReadOnlyList<int> Junk);
