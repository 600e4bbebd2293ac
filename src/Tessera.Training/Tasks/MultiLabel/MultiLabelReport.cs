using Tessera.Data;
using Tessera.Data.Images;
using Tessera.Training.Drawing;
using Tessera.Training.Explain;

namespace Tessera.Training.Tasks.MultiLabel;

/// <summary>Report sections of a classifier with several labels: average precision per class, curves, the surest mistakes.</summary>
internal static class MultiLabelReport
{
    /// <summary>The sections; none where something else was measured.</summary>
    /// <param name="context">Model, data and metrics of the evaluation.</param>
    /// <param name="noun">Plural noun for the samples, such as images.</param>
    internal static IReadOnlyList<ReportSection> Sections(ReportContext context, string noun)
    {
        if (context is not { Metrics: MultiLabelMetrics metrics, Data: ImageDataset images })
            return [];
        var classes = context.Facts.Classes;
        double?[] precisions = [.. metrics.PerClass.Select(one => one.AveragePrecision)];
        List<ReportSection> sections =
        [
            new("Average precision per class", ShareBars.ToSvg(precisions, classes, "Average precision per class"), Column: 1),
            new("Precision and recall", PrecisionOverRecall(metrics, classes), Column: 2),
            new("Thresholds", F1OverThreshold(metrics, noun), Column: 2),
        ];
        if (metrics.Wrong.Count > 0)
            sections.Add(new("Surest wrong labels", Gallery(context, images, metrics.Wrong, "wrong")));
        if (metrics.Missed.Count > 0)
            sections.Add(new("Surest missed labels", Gallery(context, images, metrics.Missed, "missed")));
        return sections;
    }

    private static string PrecisionOverRecall(MultiLabelMetrics metrics, IReadOnlyList<string> classes)
    {
        var known = metrics
            .PrecisionAtRecall.Index()
            .Where(one => one.Item is not null)
            .OrderByDescending(one => metrics.PerClass[one.Index].AveragePrecision)
            .Select(one => (one.Index, Values: one.Item!))
            .ToArray();
        if (known.Length == 0)
            return "";
        var points = known[0].Values.Count;
        double[] mean = [.. Enumerable.Range(0, points).Select(i => known.Average(one => one.Values[i]))];
        List<Series> curves = [Curve("mean of the classes", 0, mean)];
        if (known.Length > 1)
        {
            curves.Add(Curve($"best: {Html.Short(classes[known[0].Index], 20)}", 2, known[0].Values));
            curves.Add(Curve($"worst: {Html.Short(classes[known[^1].Index], 20)}", 1, known[^1].Values));
        }
        var chart = new LineChart("Precision over recall", "recall", curves, value => Html.Percent(value, 0));
        return $"""
            <p>At each recall the largest precision at this recall or a higher one. The average precision of a class is the area under its
            own steps, without this interpolation.</p>
            {chart.ToSvg()}
            """;

        Series Curve(string name, int colour, IReadOnlyList<double> values) =>
            new(name, colour, [.. values.Select((value, i) => (i / (points - 1.0), value))]);
    }

    private static string F1OverThreshold(MultiLabelMetrics metrics, string noun)
    {
        var chart = new LineChart(
            "F1 over one threshold for all classes",
            "threshold",
            [
                new("macro", 0, [.. metrics.F1AtThreshold.Select(point => (point.Threshold, point.Macro))]),
                new("micro", 1, [.. metrics.F1AtThreshold.Select(point => (point.Threshold, point.Micro))]),
            ],
            value => Html.Percent(value, 0)
        );
        double[] used = [.. metrics.PerClass.Select(one => one.Threshold).Distinct()];
        var said =
            metrics.ThresholdsTuned
                ? $"Each class has its own threshold, tuned on these {Html.Integer(metrics.Count)} {noun}: on others, expect lower F1, "
                    + "precision and recall."
            : used.Length == 1 ? $"A class belongs to an answer from a probability of {Html.Fixed(used[0], 3)} on."
            : "Each class has a threshold of its own, which was chosen before.";
        return $"<p>{said}</p>{chart.ToSvg()}";
    }

    private static string Gallery(ReportContext context, ImageDataset images, IReadOnlyList<LabelMistake> mistakes, string kind) =>
        $"""<div class="gallery">{string.Concat(mistakes.Select(mistake => Figure(context, images, mistake, kind)))}</div>""";

    // As the model sees the image: originals may be large.
    private static string Figure(ReportContext context, ImageDataset images, LabelMistake mistake, string kind)
    {
        using var scope = new Scope();
        var classes = context.Facts.Classes;
        var seen = SamplePictures.Prepare(images, mistake.Index, context.Pipeline); // [1, C, H, W]
        var (_, channels, height, width) = seen.Shape;
        var pixels = Explanation.Pixels(seen, ((ImageFacts)context.Facts).Normalization);
        var picture = Png.DataUri(pixels, (int)height, (int)width, (int)channels);
        var labels = MultiLabels.Of(images)[mistake.Index].ToArray();
        var truth = labels.Length == 0 ? "no class" : string.Join(", ", labels.Select(label => classes[label]));
        return $"""
            <figure><img alt="{Html.Encode(images.SampleName(mistake.Index))}" src="{picture}"><figcaption>
            {kind} <b class="bad">{Html.Encode(classes[mistake.Label])}</b> {Html.Percent(mistake.Probability, 1)}<br>
            <span>has {Html.Encode(truth)}</span></figcaption></figure>
            """;
    }
}
