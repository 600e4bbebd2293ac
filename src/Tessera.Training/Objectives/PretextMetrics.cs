namespace Tessera.Training.Objectives;

/// <summary>Measurement of a pre-training on test samples: the method's own loss, and the quality of the features.</summary>
/// <param name="Count">Number of test samples.</param>
/// <param name="Losses">Means over the samples by name; the first is the method's loss, the others are its parts.</param>
/// <param name="KnnTop1">
/// Share of samples of which the weighted nearest neighbours among training samples have the right class; null where samples have no
/// classes.
/// </param>
public sealed record PretextMetrics(int Count, IReadOnlyDictionary<string, double> Losses, double? KnnTop1) : Metrics(Count)
{
    private const string Knn = "knn_top1",
        KnnTitle = "kNN top-1";

    /// <inheritdoc/>
    public override string Primary => Losses.First().Key;

    /// <inheritdoc/>
    public override MetricFormat PrimaryFormat => MetricFormat.Number;

    /// <inheritdoc/>
    public override bool HigherIsBetter => false;

    /// <inheritdoc/>
    public override IReadOnlyDictionary<string, double> Scalars
    {
        get
        {
            var all = new OrderedDictionary<string, double>(Losses);
            if (KnnTop1 is { } share)
                all.Add(Knn, share);
            return all;
        }
    }

    /// <inheritdoc/>
    public override IReadOnlyList<MetricRow> Rows =>
        [.. Losses.Select(loss => new MetricRow(Title(loss.Key), loss.Value, MetricFormat.Number)), .. KnnRows];

    /// <inheritdoc/>
    public override IReadOnlyList<MetricRow> Headline => [new(Title(Primary), Losses[Primary], MetricFormat.Number), .. KnnRows];

    /// <inheritdoc/>
    public override IReadOnlyList<MetricCurve> Curves =>
        [
            new(Capital(Title(Primary)), Primary, MetricFormat.Number),
            .. KnnTop1 is null ? [] : (IEnumerable<MetricCurve>)[new(KnnTitle, Knn, MetricFormat.Share)],
        ];

    private IEnumerable<MetricRow> KnnRows => KnnTop1 is { } share ? [new(KnnTitle, share, MetricFormat.Share)] : [];

    /// <inheritdoc/>
    public override object ToJson(IReadOnlyList<string> classes) =>
        new
        {
            Losses,
            KnnTop1,
            Count,
        };

    private static string Title(string name) => name.Replace('_', ' ');

    private static string Capital(string title) => char.ToUpperInvariant(title[0]) + title[1..];
}
