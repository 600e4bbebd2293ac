namespace Tessera.Training.Objectives.SelfSupervision;

/// <summary>How good frozen features are.</summary>
/// <param name="Count">Number of samples.</param>
/// <param name="KnnTop1">
/// Share of samples of which the weighted nearest neighbours among training samples have the right class; null without classes.
/// </param>
/// <param name="ProbeTop1">Share of samples that the online probe classifies rightly; null without one.</param>
/// <param name="EffectiveRank">Dimensions that the features use: between 1 and their number.</param>
public sealed record FeatureMetrics(int Count, double? KnnTop1, double? ProbeTop1, double EffectiveRank) : Metrics(Count)
{
    private const string Knn = "knn_top1",
        Probe = "probe_top1",
        Rank = "effective_rank";

    /// <summary>Nearest neighbours; without classes, the effective rank.</summary>
    public override string Primary => KnnTop1 is null ? Rank : Knn;

    /// <inheritdoc/>
    public override MetricFormat PrimaryFormat => KnnTop1 is null ? MetricFormat.Number : MetricFormat.Share;

    private IEnumerable<(string Title, string Name, double? Value, MetricFormat Format)> Figures =>
        [
            ("kNN top-1", Knn, KnnTop1, MetricFormat.Share),
            ("online probe top-1", Probe, ProbeTop1, MetricFormat.Share),
            ("effective rank", Rank, EffectiveRank, MetricFormat.Number),
        ];

    /// <inheritdoc/>
    public override IReadOnlyDictionary<string, double> Scalars =>
        new OrderedDictionary<string, double>(
            Figures.Where(figure => figure.Value is not null).Select(figure => KeyValuePair.Create(figure.Name, figure.Value!.Value))
        );

    /// <inheritdoc/>
    public override IReadOnlyList<MetricRow> Rows =>
        [
            .. Figures
                .Where(figure => figure.Value is not null)
                .Select(figure => new MetricRow(figure.Title, figure.Value!.Value, figure.Format)),
        ];

    /// <inheritdoc/>
    public override IReadOnlyList<MetricRow> Headline => Rows;

    /// <inheritdoc/>
    public override IReadOnlyList<MetricCurve> Curves =>
        [
            .. Figures
                .Where(figure => figure.Value is not null)
                .Select(figure => new MetricCurve($"{char.ToUpperInvariant(figure.Title[0])}{figure.Title[1..]}", figure.Name, figure.Format)),
        ];

    /// <inheritdoc/>
    public override object ToJson(IReadOnlyList<string> classes) =>
        new
        {
            KnnTop1,
            ProbeTop1,
            EffectiveRank,
            Count,
        };
}
