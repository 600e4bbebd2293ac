namespace Tessera.Training.Objectives.SelfSupervision;

/// <summary>How good features are, and how well destroyed parts of images are rebuilt.</summary>
/// <param name="Features">How good the features are.</param>
/// <param name="MaskedL1">Mean absolute difference from the image where pixels had been destroyed.</param>
/// <param name="MeanColorL1">The same of an image of one colour, the mean of the true one.</param>
/// <param name="RotationTop1">Share of images of which the turn is told; null where turns are not learned.</param>
public sealed record ReconstructionMetrics(Metrics Features, double MaskedL1, double MeanColorL1, double? RotationTop1)
    : Metrics(Features.Count)
{
    internal const string Masked = "masked_l1",
        MeanColor = "mean_color_l1",
        Rotation = "rotation_top1";

    private IEnumerable<(string Title, string Name, double? Value, MetricFormat Format)> Figures =>
        [
            ("masked L1", Masked, MaskedL1, MetricFormat.Number),
            ("L1 of the mean colour", MeanColor, MeanColorL1, MetricFormat.Number),
            ("rotation top-1", Rotation, RotationTop1, MetricFormat.Share),
        ];

    private IEnumerable<(string Title, string Name, double Value, MetricFormat Format)> Present =>
        Figures.Where(figure => figure.Value is not null).Select(figure => (figure.Title, figure.Name, figure.Value!.Value, figure.Format));

    /// <inheritdoc/>
    public override string Primary => Features.Primary;

    /// <inheritdoc/>
    public override MetricFormat PrimaryFormat => Features.PrimaryFormat;

    /// <inheritdoc/>
    public override bool HigherIsBetter => Features.HigherIsBetter;

    /// <inheritdoc/>
    public override IReadOnlyDictionary<string, double> Scalars =>
        new OrderedDictionary<string, double>(
            Features.Scalars.Concat(Present.Select(figure => KeyValuePair.Create(figure.Name, figure.Value)))
        );

    /// <inheritdoc/>
    public override IReadOnlyList<MetricRow> Rows =>
        [.. Features.Rows, .. Present.Select(figure => new MetricRow(figure.Title, figure.Value, figure.Format))];

    /// <inheritdoc/>
    public override IReadOnlyList<MetricRow> Headline =>
        [
            .. Features.Headline,
            .. Present.Where(figure => figure.Name != MeanColor).Select(figure => new MetricRow(figure.Title, figure.Value, figure.Format)),
        ];

    /// <inheritdoc/>
    public override IReadOnlyList<MetricCurve> Curves =>
        [
            .. Features.Curves,
            .. Present
                .Where(figure => figure.Name != MeanColor)
                .Select(figure => new MetricCurve(
                    $"{char.ToUpperInvariant(figure.Title[0])}{figure.Title[1..]}",
                    figure.Name,
                    figure.Format
                )),
        ];

    /// <inheritdoc/>
    public override IReadOnlyList<MetricTable> Tables(IReadOnlyList<string> classes) => Features.Tables(classes);

    /// <inheritdoc/>
    public override object ToJson(IReadOnlyList<string> classes) =>
        new OrderedDictionary<string, object>(Scalars.Select(figure => KeyValuePair.Create(figure.Key, (object)figure.Value)))
        {
            ["count"] = Count,
        };
}
