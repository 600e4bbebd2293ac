using System.Globalization;
using System.Text.Json.Serialization;

namespace Tessera.Training.Tasks.Detection;

/// <summary>Results of a detector over a whole set, as COCO measures. Shares are fractions; what is not defined is -1.</summary>
/// <param name="Count">Number of images, those without any object included.</param>
/// <param name="Boxes">Precision and recall of boxes.</param>
/// <param name="Masks">Precision and recall of masks; null where the model has none.</param>
public sealed record DetectionMetrics(int Count, CocoScores Boxes, CocoScores? Masks = null) : Metrics(Count)
{
    private const string MaskPrefix = "mask_";

    /// <summary>Figures of single images, by their positions; a mean of these is no average precision.</summary>
    [JsonIgnore]
    public IReadOnlyList<DetectedImage> Images { get; init; } = [];

    /// <summary>Some of the surest detections that found nothing.</summary>
    [JsonIgnore]
    public IReadOnlyList<DetectionError> FalseAlarms { get; init; } = [];

    /// <summary>Some of the largest objects that were not found.</summary>
    [JsonIgnore]
    public IReadOnlyList<DetectionError> Misses { get; init; } = [];

    /// <inheritdoc/>
    public override string Primary => "ap";

    /// <inheritdoc/>
    public override IReadOnlyDictionary<string, double> Scalars =>
        new OrderedDictionary<string, double>(
            Boxes
                .Summary.Concat(Masks?.Summary.Select(one => (MaskPrefix + one.Name, one.Value)) ?? [])
                .Select(one => KeyValuePair.Create(one.Item1, one.Item2))
        );

    /// <inheritdoc/>
    public override IReadOnlyList<MetricRow> Rows => [.. Of(Boxes, ""), .. Masks is { } masks ? Of(masks, "mask ") : []];

    /// <inheritdoc/>
    public override IReadOnlyList<MetricRow> Headline =>
        [
            .. Defined(
                new("AP", Boxes.Ap, MetricFormat.Share),
                new("AP50", Boxes.Ap50, MetricFormat.Share),
                new("mask AP", Masks?.Ap ?? -1, MetricFormat.Share)
            ),
        ];

    /// <inheritdoc/>
    public override IReadOnlyList<MetricCurve> Curves =>
        [
            new("Average precision", "ap", MetricFormat.Share),
            new("Average precision at overlap 0.5", "ap50", MetricFormat.Share),
            .. Masks is null ? (MetricCurve[])[] : [new("Average precision of masks", MaskPrefix + "ap", MetricFormat.Share)],
        ];

    /// <inheritdoc/>
    public override IReadOnlyList<MetricTable> Tables(IReadOnlyList<string> classes) =>
        [
            PerClass(Boxes, classes, "per class"),
            PerSize(Boxes, "per size"),
            .. Masks is { } masks ? (MetricTable[])[PerClass(masks, classes, "masks per class"), PerSize(masks, "masks per size")] : [],
        ];

    /// <inheritdoc/>
    public override object ToJson(IReadOnlyList<string> classes) =>
        new
        {
            Count,
            Boxes = ToJson(Boxes, classes),
            Masks = Masks is { } masks ? ToJson(masks, classes) : null,
        };

    private static IEnumerable<MetricRow> Of(CocoScores scores, string prefix)
    {
        string[] names =
        [
            "AP",
            "AP50",
            "AP75",
            "AP small",
            "AP medium",
            "AP large",
            "AR1",
            "AR10",
            "AR100",
            "AR small",
            "AR medium",
            "AR large",
        ];
        return Defined(names.Zip(scores.Summary, (name, one) => new MetricRow(prefix + name, one.Value, MetricFormat.Share)));
    }

    // What is not defined is no share: it would read -100 %.
    private static IEnumerable<MetricRow> Defined(params IEnumerable<MetricRow> rows) => rows.Where(row => row.Value >= 0);

    private static MetricTable PerClass(CocoScores scores, IReadOnlyList<string> classes, string title) =>
        new(
            title,
            [
                ("class", false),
                ("objects", true),
                ("detections", true),
                ("AP", true),
                ("AP50", true),
                ("AP75", true),
                ("small", true),
                ("medium", true),
                ("large", true),
                ("AR100", true),
            ],
            [
                .. classes.Zip(scores.PerClass, (name, own) =>
                    (IReadOnlyList<string>)
                        [
                            name,
                            Number(own.Objects),
                            Number(own.Detections),
                            Percent(own.Ap),
                            Percent(own.Ap50),
                            Percent(own.Ap75),
                            Percent(own.ApSmall),
                            Percent(own.ApMedium),
                            Percent(own.ApLarge),
                            Percent(own.Ar100),
                        ]
                ),
            ]
        );

    private static MetricTable PerSize(CocoScores scores, string title) =>
        new(
            title,
            [("size", false), ("square pixels", false), ("objects", true), ("AP", true), ("AR100", true)],
            [
                .. scores.PerSize.Select(own =>
                    (IReadOnlyList<string>)[own.Range.Name, Describe(own.Range), Number(own.Objects), Percent(own.Ap), Percent(own.Ar100)]
                ),
            ]
        );

    private static object ToJson(CocoScores scores, IReadOnlyList<string> classes) =>
        new
        {
            Summary = scores.Summary.ToDictionary(one => one.Name, one => one.Value),
            PerThreshold = scores.Thresholds.Zip(scores.PerThreshold, (threshold, ap) => new { Overlap = threshold, Ap = ap }),
            PerClass = classes.Zip(scores.PerClass).ToDictionary(pair => pair.First, pair => pair.Second),
            PerSize = scores.PerSize.ToDictionary(
                own => own.Range.Name,
                own => new
                {
                    own.Objects,
                    own.Ap,
                    own.Ar100,
                }
            ),
        };

    private static string Describe(AreaRange range) =>
        (range.Least, range.Most) switch
        {
            (0, >= 1e10) => "any",
            (0, var most) => $"at most {Number(most)}",
            (var least, >= 1e10) => $"at least {Number(least)}",
            var (least, most) => $"{Number(least)} to {Number(most)}",
        };

    private static string Number(double value) => value.ToString("N0", CultureInfo.InvariantCulture);

    private static string Percent(double share) => share < 0 ? "-" : string.Create(CultureInfo.InvariantCulture, $"{100 * share:0.00} %");
}
