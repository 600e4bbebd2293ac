using System.Globalization;
using System.Text.Json.Serialization;

namespace Tessera.Training.Tasks.MultiLabel;

/// <summary>Results of a classifier on samples with any number of classes each. Shares are fractions, not percents.</summary>
/// <param name="Count">Number of samples.</param>
/// <param name="Loss">Binary cross-entropy, mean over samples and classes, whatever loss the model was trained with.</param>
/// <param name="PerClass">Scores of each class, in the order of the classes.</param>
/// <param name="ThresholdsTuned">
/// Whether the thresholds were chosen on these very samples, which makes figures that depend on them look better.
/// </param>
public sealed record MultiLabelMetrics(int Count, double Loss, IReadOnlyList<LabelScores> PerClass, bool ThresholdsTuned) : Metrics(Count)
{
    /// <summary>Mean average precision of the classes that are present in some sample.</summary>
    public double Map { get; } = PerClass.Select(one => one.AveragePrecision).OfType<double>().Average();

    /// <summary>Mean F1 of the classes that are present in some sample.</summary>
    public double F1Macro { get; } = PerClass.Select(one => one.F1).OfType<double>().Average();

    /// <summary>F1 of all decisions together.</summary>
    public double F1Micro { get; } = 2.0 * PerClass.Sum(one => (long)one.Right) / PerClass.Sum(one => (long)one.Chosen + one.Samples);

    /// <summary>Share of all labels in answers that are right; 0 where all answers are empty.</summary>
    public double Precision { get; } = PerClass.Sum(one => (long)one.Right) / (double)Math.Max(1, PerClass.Sum(one => (long)one.Chosen));

    /// <summary>Share of all labels that are in the answers.</summary>
    public double Recall { get; } = PerClass.Sum(one => (long)one.Right) / (double)PerClass.Sum(one => (long)one.Samples);

    /// <summary>
    /// Per class the largest precision at a recall of at least 0, 0.01, ..., 1; null for a class that is present in no sample. For drawing
    /// alone.
    /// </summary>
    [JsonIgnore]
    public IReadOnlyList<IReadOnlyList<double>?> PrecisionAtRecall { get; init; } = [];

    /// <summary>F1 if all classes had the same threshold.</summary>
    public required IReadOnlyList<F1Point> F1AtThreshold { get; init; }

    /// <summary>Labels in answers that are wrong, of each sample the likeliest one; the likeliest first.</summary>
    public required IReadOnlyList<LabelMistake> Wrong { get; init; }

    /// <summary>Labels that are missing in answers, of each sample the least likely one; the least likely first.</summary>
    public required IReadOnlyList<LabelMistake> Missed { get; init; }

    /// <inheritdoc/>
    public override string Primary => "map";

    /// <inheritdoc/>
    public override IReadOnlyDictionary<string, double> Scalars =>
        new OrderedDictionary<string, double>
        {
            ["map"] = Map,
            ["f1_macro"] = F1Macro,
            ["f1_micro"] = F1Micro,
            ["precision"] = Precision,
            ["recall"] = Recall,
            ["loss"] = Loss,
        };

    /// <inheritdoc/>
    public override IReadOnlyList<MetricRow> Rows =>
        [
            new("mAP", Map, MetricFormat.Share),
            new($"F1, macro{Tuned}", F1Macro, MetricFormat.Share),
            new($"F1, micro{Tuned}", F1Micro, MetricFormat.Share),
            new($"precision{Tuned}", Precision, MetricFormat.Share),
            new($"recall{Tuned}", Recall, MetricFormat.Share),
            new("cross-entropy", Loss, MetricFormat.Number),
        ];

    private string Tuned => ThresholdsTuned ? " (tuned here)" : "";

    /// <inheritdoc/>
    public override IReadOnlyList<MetricRow> Headline =>
        [
            new("test cross-entropy", Loss, MetricFormat.Number),
            new("mAP", Map, MetricFormat.Share),
            new($"F1, micro{Tuned}", F1Micro, MetricFormat.Share),
        ];

    /// <inheritdoc/>
    public override IReadOnlyList<MetricCurve> Curves =>
        [new("Mean average precision", "map", MetricFormat.Share), new("F1, micro", "f1_micro", MetricFormat.Share)];

    /// <inheritdoc/>
    public override IReadOnlyList<MetricTable> Tables(IReadOnlyList<string> classes) =>
        [
            new(
                ThresholdsTuned ? "per class, thresholds tuned on these samples" : "per class",
                [
                    ("class", false),
                    ("samples", true),
                    ("average precision", true),
                    ("precision", true),
                    ("recall", true),
                    ("F1", true),
                    ("threshold", true),
                ],
                [.. classes.Zip(PerClass, Row)]
            ),
        ];

    private static IReadOnlyList<string> Row(string name, LabelScores scores) =>
        [
            name,
            scores.Samples.ToString("N0", CultureInfo.InvariantCulture),
            Percent(scores.AveragePrecision),
            Percent(scores.Precision),
            Percent(scores.Recall),
            Percent(scores.F1),
            scores.Threshold.ToString("0.000", CultureInfo.InvariantCulture),
        ];

    private static string Percent(double? share) =>
        share is { } value ? string.Create(CultureInfo.InvariantCulture, $"{100 * value:0.00} %") : "-";

    /// <inheritdoc/>
    public override object ToJson(IReadOnlyList<string> classes) =>
        new
        {
            Map,
            F1Macro,
            F1Micro,
            Precision,
            Recall,
            Loss,
            Count,
            ThresholdsTuned,
            PerClass = classes.Zip(PerClass).ToDictionary(pair => pair.First, pair => pair.Second),
        };
}

/// <summary>Scores of one class.</summary>
/// <param name="Samples">Number of samples with the class.</param>
/// <param name="Chosen">Number of answers with the class: its probability is at least the threshold.</param>
/// <param name="Right">Number of answers that have the class rightly.</param>
/// <param name="AveragePrecision">Area under the steps of precision over recall; null where the class is present in no sample.</param>
/// <param name="Threshold">Probability from which the class belongs to an answer, in [0, 1].</param>
public sealed record LabelScores(int Samples, int Chosen, int Right, double? AveragePrecision, double Threshold)
{
    /// <summary>Share of the answers with the class that are right; null where there are none.</summary>
    public double? Precision => Chosen == 0 ? null : Right / (double)Chosen;

    /// <summary>Share of the samples with the class that are found; null where there are none.</summary>
    public double? Recall => Samples == 0 ? null : Right / (double)Samples;

    /// <summary>Harmonic mean of both, 0 where nothing is found; null where the class is present in no sample.</summary>
    public double? F1 => Samples == 0 ? null : 2.0 * Right / (Chosen + Samples);
}

/// <summary>F1 at a threshold that is the same for all classes.</summary>
/// <param name="Threshold">Threshold of the probability, in [0, 1].</param>
/// <param name="Macro">Mean F1 over the classes that are present in some sample.</param>
/// <param name="Micro">F1 of all decisions together.</param>
public sealed record F1Point(double Threshold, double Macro, double Micro);

/// <summary>A label that is wrong or missing in the answer for a sample.</summary>
/// <param name="Index">Position of the sample in the data set.</param>
/// <param name="Label">Number of the class, from 0.</param>
/// <param name="Probability">Probability of the class by the model, in [0, 1].</param>
public sealed record LabelMistake(int Index, int Label, double Probability);
