using Tessera.Training.Drawing;

namespace Tessera.Training.Tasks.Detection.Scoring;

/// <summary>What a measurement of detections came to, as one self-contained page.</summary>
internal static class ScorePage
{
    /// <summary>Renders the page.</summary>
    /// <param name="title">What was measured.</param>
    /// <param name="protocol">How.</param>
    /// <param name="metrics">What it came to.</param>
    /// <param name="classes">Names of the classes.</param>
    /// <param name="remarks">What was taken for what.</param>
    internal static string Render(
        string title,
        string protocol,
        Metrics metrics,
        IReadOnlyList<string> classes,
        IReadOnlyList<string> remarks
    ) =>
        HtmlPage.Of(
            $"detections, {protocol}",
            title,
            $"""
            <section class="cards">{string.Concat(metrics.Headline.Select(Card))}
            <div class="card"><span>images</span><strong>{Html.Integer(metrics.Count)}</strong></div></section>
            <div class="columns">{Panel("Figures", Figures(metrics))}{Charts(metrics, classes)}</div>
            {string.Concat(metrics.Tables(classes).Select(table => Panel(table.Title, HtmlPage.Table(table))))}
            {(remarks.Count == 0 ? "" : Panel("Remarks", string.Concat(remarks.Select(remark => $"<p>{Html.Encode(remark)}</p>"))))}
            """
        );

    private static string Card(MetricRow row) =>
        $"""<div class="card"><span>{Html.Encode(row.Name)}</span><strong>{Value(row)}</strong></div>""";

    private static string Value(MetricRow row) => row.Value < 0 ? "–" : Html.Percent(row.Value);

    private static string Figures(Metrics metrics) => HtmlPage.Facts(metrics.Rows.Select(row => (row.Name, Value(row))));

    private static string Charts(Metrics metrics, IReadOnlyList<string> classes)
    {
        (string Title, string Svg)[] charts = metrics switch
        {
            DetectionMetrics { Boxes: var boxes, Masks: var masks } =>
            [
                ("Precision over recall", PrecisionRecallCharts.PerThreshold(boxes, "Mean of the classes")),
                ("Classes", PrecisionRecallCharts.PerClass(boxes, classes, $"At overlap {Html.Fixed(boxes.Thresholds[0], 2)}")),
                .. masks is null
                    ? ((string, string)[])[]
                    : [("Precision over recall of masks", PrecisionRecallCharts.PerThreshold(masks, "Mean of the classes"))],
            ],
            VocMetrics { Scores: var scores } =>
            [
                ("Precision over recall", PrecisionRecallCharts.PerClass(scores, classes, $"At overlap {Html.Fixed(scores.Threshold, 2)}")),
            ],
            _ => [],
        };
        return string.Concat(charts.Where(chart => chart.Svg.Length > 0).Select(chart => Panel(chart.Title, chart.Svg)));
    }

    private static string Panel(string title, string content) =>
        $"""<section class="panel"><h2>{Html.Encode(title)}</h2>{content}</section>""";
}
