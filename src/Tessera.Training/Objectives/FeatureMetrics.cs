namespace Tessera.Training.Objectives;

/// <summary>How good the frozen features of a pre-training are, and its own losses on test samples where it has such.</summary>
/// <param name="Count">Number of samples.</param>
/// <param name="KnnTop1">
/// Share of samples of which the weighted nearest neighbours among training samples have the right class; null without classes.
/// </param>
/// <param name="ProbeTop1">Share of samples that the online probe classifies rightly; null without one.</param>
/// <param name="EffectiveRank">Dimensions that the features use: between 1 and their number.</param>
public sealed record FeatureMetrics(int Count, double? KnnTop1, double? ProbeTop1, double EffectiveRank) : Metrics(Count)
{
    /// <summary>Name of the online probe's accuracy, in training as in evaluations.</summary>
    internal const string Probe = "probe_top1";

    private const string Knn = "knn_top1",
        Rank = "effective_rank";

    /// <summary>Means over the samples by name; the first is the method's loss, the others are its parts. Empty for none.</summary>
    public IReadOnlyDictionary<string, double> Losses { get; init; } = new Dictionary<string, double>();

    private sealed record Figure(string Title, string Name, double Value, MetricFormat Format);

    private IEnumerable<Figure> OfFeatures =>
        new (string Title, string Name, double? Value, MetricFormat Format)[]
        {
            ("kNN top-1", Knn, KnnTop1, MetricFormat.Share),
            ("probe top-1", Probe, ProbeTop1, MetricFormat.Share),
            ("rank", Rank, EffectiveRank, MetricFormat.Number),
        }
            .Where(figure => figure.Value is not null)
            .Select(figure => new Figure(figure.Title, figure.Name, figure.Value!.Value, figure.Format));

    private IEnumerable<Figure> All =>
        [.. Losses.Select(loss => new Figure(loss.Key.Replace('_', ' '), loss.Key, loss.Value, MetricFormat.Number)), .. OfFeatures];

    /// <summary>The method's own loss; else nearest neighbours, or the online probe; without classes, the effective rank.</summary>
    public override string Primary =>
        Losses.Count > 0 ? Losses.First().Key
        : KnnTop1 is not null ? Knn
        : ProbeTop1 is not null ? Probe
        : Rank;

    /// <inheritdoc/>
    public override MetricFormat PrimaryFormat => Primary is Knn or Probe ? MetricFormat.Share : MetricFormat.Number;

    /// <inheritdoc/>
    public override bool HigherIsBetter => Losses.Count == 0;

    /// <inheritdoc/>
    public override IReadOnlyDictionary<string, double> Scalars =>
        new OrderedDictionary<string, double>(All.Select(figure => KeyValuePair.Create(figure.Name, figure.Value)));

    /// <inheritdoc/>
    public override IReadOnlyList<MetricRow> Rows => [.. All.Select(Row)];

    /// <inheritdoc/>
    public override IReadOnlyList<MetricRow> Headline => [.. All.Take(Math.Min(Losses.Count, 1)).Concat(OfFeatures).Select(Row)];

    /// <inheritdoc/>
    public override IReadOnlyList<MetricCurve> Curves =>
        [
            .. All.Take(Math.Min(Losses.Count, 1))
                .Concat(OfFeatures)
                .Select(figure => new MetricCurve(
                    figure.Name == Rank
                        ? "Effective rank"
                        : $"{(figure.Name == Knn ? 'k' : char.ToUpperInvariant(figure.Title[0]))}{figure.Title[1..]}",
                    figure.Name,
                    figure.Format
                )),
        ];

    /// <inheritdoc/>
    public override object ToJson(IReadOnlyList<string> classes) =>
        new
        {
            Losses,
            KnnTop1,
            ProbeTop1,
            EffectiveRank,
            Count,
        };

    private static MetricRow Row(Figure figure) => new(figure.Title, figure.Value, figure.Format);
}
