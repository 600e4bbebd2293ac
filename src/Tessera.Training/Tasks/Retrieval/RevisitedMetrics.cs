using System.Globalization;
using Tessera.Data;

namespace Tessera.Training.Tasks.Retrieval;

/// <summary>Results of retrieval of particular objects. Shares are fractions, not percents.</summary>
/// <param name="Count">Number of samples.</param>
/// <param name="Queries">Number of queries.</param>
/// <param name="Searched">Number of samples that are searched.</param>
/// <param name="Levels">Easy, medium and hard.</param>
public sealed record RevisitedMetrics(int Count, int Queries, int Searched, IReadOnlyList<RevisitedLevel> Levels) : Metrics(Count)
{
    /// <summary>Queries with what was found for them, those of the lowest precision first.</summary>
    public IReadOnlyList<RetrievedExample> Examples { get; init; } = [];

    // Every query with an easy or a hard image has one at medium.
    /// <inheritdoc/>
    public override string Primary => "map_medium";

    private IEnumerable<RevisitedLevel> Known => Levels.Where(level => level.Map is not null);

    /// <inheritdoc/>
    public override IReadOnlyDictionary<string, double> Scalars =>
        new OrderedDictionary<string, double>([
            .. Known.Select(level => KeyValuePair.Create($"map_{level.Name}", level.Map!.Value)),
            .. Known.SelectMany(
                level => level.Precision,
                (level, one) =>
                    KeyValuePair.Create(string.Create(CultureInfo.InvariantCulture, $"mp_{level.Name}_at_{one.K}"), one.Share!.Value)
            ),
        ]);

    /// <inheritdoc/>
    public override IReadOnlyList<MetricRow> Rows =>
        [
            .. Headline,
            .. Known.SelectMany(
                level => level.Precision,
                (level, one) =>
                    new MetricRow(
                        string.Create(CultureInfo.InvariantCulture, $"precision@{one.K}, {level.Name}"),
                        one.Share!.Value,
                        MetricFormat.Share
                    )
            ),
            new("queries", Queries, MetricFormat.Count),
        ];

    /// <inheritdoc/>
    public override IReadOnlyList<MetricRow> Headline =>
        [.. Known.Select(level => new MetricRow($"mAP, {level.Name}", level.Map!.Value, MetricFormat.Share))];

    /// <inheritdoc/>
    public override IReadOnlyList<MetricCurve> Curves =>
        [.. Known.Select(level => new MetricCurve($"Mean average precision, {level.Name}", $"map_{level.Name}", MetricFormat.Share))];

    /// <inheritdoc/>
    public override object ToJson(IReadOnlyList<string> classes) =>
        new
        {
            Levels,
            Count,
            Queries,
            Searched,
        };
}

/// <summary>Figures of one level of difficulty.</summary>
/// <param name="Name">easy, medium or hard.</param>
/// <param name="Map">Mean average precision over the queries that something is right for; null where there are none.</param>
/// <param name="AveragePrecisions">Of each query; null for one that nothing is right for.</param>
/// <param name="Precision">Mean precision among the first items.</param>
public sealed record RevisitedLevel(
    string Name,
    double? Map,
    IReadOnlyList<double?> AveragePrecisions,
    IReadOnlyList<PrecisionAt> Precision
)
{
    /// <summary>What is right and what is taken out of the ranking at each level.</summary>
    internal static IReadOnlyList<(
        string Name,
        Func<LandmarkQuery, IEnumerable<int>> Relevant,
        Func<LandmarkQuery, IEnumerable<int>> Ignored
    )> All { get; } =
    [
        ("easy", query => query.Easy, query => query.Junk.Concat(query.Hard)),
        ("medium", query => query.Easy.Concat(query.Hard), query => query.Junk),
        ("hard", query => query.Hard, query => query.Junk.Concat(query.Easy)),
    ];
}

/// <summary>Precision among a number of first items.</summary>
/// <param name="K">The number.</param>
/// <param name="Share">Mean share of right items; null where no query has anything that is right.</param>
public sealed record PrecisionAt(int K, double? Share);
