using System.Globalization;
using System.Text.Json.Serialization;
using Tessera.Training.Drawing;

namespace Tessera.Training.Tasks.Segmentation;

/// <summary>Results of a segmenter over the pixels of a whole set. Shares are fractions, not percents.</summary>
/// <param name="Count">Number of images.</param>
/// <param name="Loss">Mean cross-entropy of the pixels that count, whatever loss the model was trained with.</param>
/// <param name="Scores">Counts of the pixels and what follows from them.</param>
public sealed record SegmentationMetrics(int Count, double Loss, SegmentationScores Scores) : Metrics(Count)
{
    private const int MostPairs = 12;

    /// <summary>Mean intersection over union of the classes that occur, in truth or prediction.</summary>
    [JsonPropertyName("miou")]
    public double MeanIou => Scores.MeanIou;

    /// <summary>Share of the pixels that are right.</summary>
    public double PixelAccuracy => Scores.PixelAccuracy;

    /// <summary>Mean over the classes of the share of their pixels that are right.</summary>
    public double MeanAccuracy => Scores.MeanAccuracy;

    /// <summary>Mean over the classes of twice the intersection over the sum of both areas.</summary>
    public double MeanDice => Scores.MeanDice;

    /// <summary>Figures of single images, by their positions; a mean of these is not the mIoU of the set.</summary>
    [JsonIgnore]
    public IReadOnlyList<SegmentedImage> Images { get; init; } = [];

    /// <inheritdoc/>
    public override string Primary => "miou";

    /// <inheritdoc/>
    public override IReadOnlyDictionary<string, double> Scalars =>
        new OrderedDictionary<string, double>
        {
            ["miou"] = MeanIou,
            ["pixel_accuracy"] = PixelAccuracy,
            ["mean_accuracy"] = MeanAccuracy,
            ["mean_dice"] = MeanDice,
            ["loss"] = Loss,
        };

    /// <inheritdoc/>
    public override IReadOnlyList<MetricRow> Rows =>
        [
            new("mIoU", MeanIou, MetricFormat.Share),
            new("pixel accuracy", PixelAccuracy, MetricFormat.Share),
            new("mean accuracy", MeanAccuracy, MetricFormat.Share),
            new("mean Dice", MeanDice, MetricFormat.Share),
            new("cross-entropy", Loss, MetricFormat.Number),
        ];

    /// <inheritdoc/>
    public override IReadOnlyList<MetricRow> Headline =>
        [
            new("test cross-entropy", Loss, MetricFormat.Number),
            new("mIoU", MeanIou, MetricFormat.Share),
            new("pixel accuracy", PixelAccuracy, MetricFormat.Share),
        ];

    /// <inheritdoc/>
    public override IReadOnlyList<MetricCurve> Curves =>
        [new("Mean IoU", "miou", MetricFormat.Share), new("Pixel accuracy", "pixel_accuracy", MetricFormat.Share)];

    /// <inheritdoc/>
    public override IReadOnlyList<MetricTable> Tables(IReadOnlyList<string> classes)
    {
        IReadOnlyList<string>[] confused = [.. ConfusionChart.Confused(Scores.Confusion, MostPairs).Select(Confused)];
        return
        [
            new(
                "per class",
                [("class", false), ("pixels", true), ("IoU", true), ("accuracy", true), ("Dice", true)],
                [.. classes.Select((name, i) => Row(name, i))]
            ),
            .. confused.Length == 0
                ? (MetricTable[])[]
                :
                [
                    new(
                        "most frequent confusions",
                        [("class", false), ("taken for", false), ("pixels", true), ("of the class", true)],
                        confused
                    ),
                ],
        ];

        IReadOnlyList<string> Confused((int Label, int Predicted, long Count, long Total) pair) =>
            [
                classes[pair.Label],
                classes[pair.Predicted],
                pair.Count.ToString("N0", CultureInfo.InvariantCulture),
                Percent(pair.Count / (double)pair.Total),
            ];
    }

    private IReadOnlyList<string> Row(string name, int i) =>
        [
            name,
            Scores.Labels[i].ToString("N0", CultureInfo.InvariantCulture),
            Percent(Scores.Iou[i]),
            Percent(Scores.Accuracy[i]),
            Percent(Scores.Dice[i]),
        ];

    private static string Percent(double share) =>
        double.IsNaN(share) ? "-" : string.Create(CultureInfo.InvariantCulture, $"{100 * share:0.00} %");

    /// <inheritdoc/>
    public override object ToJson(IReadOnlyList<string> classes) =>
        new
        {
            Miou = MeanIou,
            PixelAccuracy,
            MeanAccuracy,
            MeanDice,
            Loss,
            Count,
            PerClass = classes
                .Select(
                    (name, i) =>
                        KeyValuePair.Create(
                            name,
                            new
                            {
                                Pixels = Scores.Labels[i],
                                Iou = Defined(Scores.Iou[i]),
                                Accuracy = Defined(Scores.Accuracy[i]),
                                Dice = Defined(Scores.Dice[i]),
                            }
                        )
                )
                .ToDictionary(),
            Scores.Confusion,
        };

    // JSON has no number for what is not defined.
    private static double? Defined(double share) => double.IsNaN(share) ? null : share;
}

/// <summary>Figures of one image.</summary>
/// <param name="Index">Position in the data set.</param>
/// <param name="PixelAccuracy">Share of its pixels that are right; NaN where none counts.</param>
/// <param name="MeanIou">Mean IoU of the classes that occur in it, in truth or prediction.</param>
public sealed record SegmentedImage(int Index, double PixelAccuracy, double MeanIou);
