using System.Globalization;

namespace Tessera.Training.Tasks.Classification;

/// <summary>Metrics of a classifier on samples with one class each. Shares are fractions, not percentages.</summary>
/// <param name="Count">Number of samples.</param>
/// <param name="Loss">Mean cross-entropy (negative log-likelihood).</param>
/// <param name="Top1">Share of samples of which the label has the largest logit.</param>
/// <param name="Top5">Share of samples of which the label is among the five largest.</param>
/// <param name="PerClass">Recall of each class; null for a class without samples.</param>
/// <param name="MeanPerClass">Mean recall of the classes that occur.</param>
/// <param name="Ece">Expected calibration error (Guo et al., 2017, arXiv:1706.04599).</param>
/// <param name="Mce">Largest gap of a calibration bin.</param>
/// <param name="Brier">Mean squared distance of the probabilities to the one-hot label.</param>
public sealed record ClassificationMetrics(
    int Count,
    double Loss,
    double Top1,
    double Top5,
    IReadOnlyList<double?> PerClass,
    double MeanPerClass,
    double Ece,
    double Mce,
    double Brier
) : Metrics(Count)
{
    /// <summary>Number of samples by true (rows) and predicted class.</summary>
    public required IReadOnlyList<IReadOnlyList<int>> Confusion { get; init; }

    /// <summary>The bins of the calibration error, from low to high confidence.</summary>
    public required IReadOnlyList<CalibrationBin> Calibration { get; init; }

    /// <summary>The mistakes with the highest confidence, in descending order.</summary>
    public required IReadOnlyList<Mistake> Mistakes { get; init; }

    /// <inheritdoc/>
    public override string Primary => "top1";

    /// <inheritdoc/>
    public override IReadOnlyDictionary<string, double> Scalars =>
        new OrderedDictionary<string, double>
        {
            ["top1"] = Top1,
            ["top5"] = Top5,
            ["loss"] = Loss,
            ["ece"] = Ece,
        };

    /// <inheritdoc/>
    public override IReadOnlyList<MetricRow> Rows =>
        [
            new("top-1", Top1, MetricFormat.Share),
            new("top-5", Top5, MetricFormat.Share),
            new("mean per class", MeanPerClass, MetricFormat.Share),
            new("loss", Loss, MetricFormat.Number),
            new("calibration error", Ece, MetricFormat.Share),
            new("Brier score", Brier, MetricFormat.Number),
        ];

    /// <inheritdoc/>
    public override IReadOnlyList<MetricRow> Headline =>
        [new("test loss", Loss, MetricFormat.Number), new("top-1", Top1, MetricFormat.Share), new("top-5", Top5, MetricFormat.Share)];

    /// <inheritdoc/>
    public override IReadOnlyList<MetricCurve> Curves => [new("Accuracy", "top1", MetricFormat.Share)];

    /// <inheritdoc/>
    public override IReadOnlyList<MetricTable> Tables(IReadOnlyList<string> classes) =>
        [
            new(
                "per class",
                [("class", false), ("samples", true), ("right", true), ("most often taken for", false)],
                [.. classes.Select((name, label) => Row(name, label, classes))]
            ),
        ];

    private IReadOnlyList<string> Row(string name, int label, IReadOnlyList<string> classes)
    {
        var row = Confusion[label];
        var other = row.Index()
            .Where(cell => cell.Index != label && cell.Item > 0)
            .OrderByDescending(cell => cell.Item)
            .Select(cell => $"{classes[cell.Index]} ({cell.Item})")
            .FirstOrDefault();
        return
        [
            name,
            row.Sum().ToString("N0", CultureInfo.InvariantCulture),
            PerClass[label] is { } recall ? string.Create(CultureInfo.InvariantCulture, $"{100 * recall:0.00} %") : "-",
            other ?? "",
        ];
    }

    /// <inheritdoc/>
    public override object ToJson(IReadOnlyList<string> classes) =>
        new
        {
            Top1,
            Top5,
            MeanPerClass,
            Loss,
            Ece,
            Mce,
            Brier,
            Count,
            PerClass = classes.Zip(PerClass).ToDictionary(pair => pair.First, pair => pair.Second),
            Confusion,
        };
}

/// <summary>Samples whose confidence lies in (Low, High].</summary>
/// <param name="Low">Lower edge, excluded.</param>
/// <param name="High">Upper edge, included.</param>
/// <param name="Count">Number of samples in the bin.</param>
/// <param name="Confidence">Mean confidence of these samples, in [0, 1].</param>
/// <param name="Accuracy">Share of these samples that are classified rightly.</param>
public sealed record CalibrationBin(double Low, double High, int Count, double Confidence, double Accuracy);

/// <summary>A sample that was classified wrongly.</summary>
/// <param name="Index">Position of the sample in the data set.</param>
/// <param name="Label">True class of the sample.</param>
/// <param name="Predicted">Class that the model predicted.</param>
/// <param name="Confidence">Probability of the predicted class, in [0, 1].</param>
public sealed record Mistake(int Index, int Label, int Predicted, double Confidence);
