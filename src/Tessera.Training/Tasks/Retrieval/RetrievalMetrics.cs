using System.Globalization;

namespace Tessera.Training.Tasks.Retrieval;

/// <summary>Results of retrieval by category. Shares are fractions, not percents.</summary>
/// <param name="Count">Number of samples.</param>
/// <param name="Queries">Number of queries.</param>
/// <param name="Searched">Number of samples that a query is looked for among.</param>
public sealed record RetrievalMetrics(int Count, int Queries, int Searched) : Metrics(Count)
{
    /// <summary>Share of the queries with a sample of their class among the nearest, for each number of nearest ones, ascending.</summary>
    public required IReadOnlyList<RecallAt> Recall { get; init; }

    /// <summary>Mean share of right samples among the first R, of which there are R in all; null where no query has any.</summary>
    public double? RPrecision { get; init; }

    /// <summary>Mean average precision of the first R; null where no query has a sample of its class.</summary>
    public double? MapAtR { get; init; }

    /// <summary>Mean average precision of the whole ranking; null where no query has a sample of its class.</summary>
    public double? Map { get; init; }

    /// <summary>Queries without any sample of their class: they are missed in every recall and left out of all other figures.</summary>
    public int WithoutRelevant { get; init; }

    /// <summary>Mean distance of a query to the nearest sample: between 0 (all in one point) and 2.</summary>
    public double NearestDistance { get; init; }

    /// <summary>Dimensions that the descriptors use: between 1 and their number.</summary>
    public double EffectiveRank { get; init; }

    /// <summary>Share of the queries of each class whose nearest sample is right.</summary>
    public IReadOnlyList<ClassRecall> PerClass { get; init; } = [];

    /// <summary>Queries with what was found for them, failures first.</summary>
    public IReadOnlyList<RetrievedExample> Examples { get; init; } = [];

    private sealed record Figure(string Title, string Name, double Value, MetricFormat Format);

    private IReadOnlyList<Figure> Figures =>
        [
            .. Recall.Select(one => new Figure(
                string.Create(CultureInfo.InvariantCulture, $"recall@{one.K}"),
                string.Create(CultureInfo.InvariantCulture, $"recall_at_{one.K}"),
                one.Share,
                MetricFormat.Share
            )),
            .. new (string Title, string Name, double? Value)[]
            {
                ("mAP", "map", Map),
                ("MAP@R", "map_at_r", MapAtR),
                ("R-precision", "r_precision", RPrecision),
            }
                .Where(one => one.Value is not null)
                .Select(one => new Figure(one.Title, one.Name, one.Value!.Value, MetricFormat.Share)),
            new("distance to the nearest", "nearest_distance", NearestDistance, MetricFormat.Number),
            new("effective rank", "effective_rank", EffectiveRank, MetricFormat.Number),
        ];

    /// <summary>The recall at the smallest number of nearest samples.</summary>
    public override string Primary => Figures[0].Name;

    /// <inheritdoc/>
    public override IReadOnlyDictionary<string, double> Scalars =>
        new OrderedDictionary<string, double>(Figures.Select(one => KeyValuePair.Create(one.Name, one.Value)));

    /// <inheritdoc/>
    public override IReadOnlyList<MetricRow> Rows =>
        [
            .. Figures.Select(Row),
            new("queries", Queries, MetricFormat.Count),
            .. WithoutRelevant == 0
                ? []
                : (MetricRow[])[new("queries without a sample of their class", WithoutRelevant, MetricFormat.Count)],
        ];

    /// <inheritdoc/>
    public override IReadOnlyList<MetricRow> Headline => [.. Figures.Where(one => one.Name == Primary || one.Name == "map").Select(Row)];

    /// <inheritdoc/>
    public override IReadOnlyList<MetricCurve> Curves =>
        [
            .. Figures
                .Where(one => one.Name == Primary || one.Name is "map" or "effective_rank")
                .Select(one => new MetricCurve(one.Name == "map" ? "Mean average precision" : Sentence(one.Title), one.Name, one.Format)),
        ];

    private static string Sentence(string title) => $"{char.ToUpperInvariant(title[0])}{title[1..]}";

    private static MetricRow Row(Figure figure) => new(figure.Title, figure.Value, figure.Format);

    /// <inheritdoc/>
    public override object ToJson(IReadOnlyList<string> classes) =>
        new
        {
            Recall,
            Map,
            MapAtR,
            RPrecision,
            NearestDistance,
            EffectiveRank,
            Count,
            Queries,
            Searched,
            WithoutRelevant,
            PerClass,
        };
}

/// <summary>Recall among a number of nearest samples.</summary>
/// <param name="K">The number.</param>
/// <param name="Share">Share of the queries with a sample of their class among them.</param>
public sealed record RecallAt(int K, double Share);

/// <summary>How well the queries of a class are answered.</summary>
/// <param name="Label">Number of the class in the data that was measured on.</param>
/// <param name="Queries">Number of its queries.</param>
/// <param name="Share">Share of them whose nearest sample is of the class.</param>
public sealed record ClassRecall(long Label, int Queries, double Share);
