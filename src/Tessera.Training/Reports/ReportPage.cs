using System.Text;
using System.Text.Json.Nodes;
using Tessera.Data;

namespace Tessera.Training;

/// <summary>All that a report shows.</summary>
/// <param name="Title">Model and data.</param>
/// <param name="Recipe">The resolved recipe.</param>
/// <param name="Command">The line that reproduces the run.</param>
/// <param name="Log">Lines of the log.</param>
/// <param name="Classes">Name per class.</param>
/// <param name="Parameters">Of the model.</param>
/// <param name="Evaluation">Of the last weights.</param>
/// <param name="Ema">Of their moving average, where there is one.</param>
/// <param name="Environment">Versions and machine.</param>
public sealed record ReportContent(
    string Title,
    string Recipe,
    string Command,
    IReadOnlyList<JsonObject> Log,
    IReadOnlyList<string> Classes,
    long Parameters,
    Evaluation Evaluation,
    Evaluation? Ema,
    IReadOnlyList<(string Name, string Value)> Environment
)
{
    /// <summary>What the samples are.</summary>
    public string Samples { get; init; } = "images";

    /// <summary>The surest mistakes with their images, as sources of img elements; a text stands for itself.</summary>
    public IReadOnlyList<(Mistake Mistake, string Sample, string? Image)> Mistakes { get; init; } = [];

    /// <summary>Images with attention maps.</summary>
    public IReadOnlyList<AttentionRow> Attention { get; init; } = [];
}

/// <summary>An image with its attention maps.</summary>
/// <param name="Label">Its class.</param>
/// <param name="Predicted">What the model takes it for.</param>
/// <param name="Pictures">What each picture shows, and its source.</param>
public sealed record AttentionRow(string Label, string Predicted, IReadOnlyList<(string Name, string Image)> Pictures);

/// <summary>The report of a run: one HTML page that needs nothing else.</summary>
public static class ReportPage
{
    private const int MostUnreadable = 1000;

    /// <summary>The page.</summary>
    public static string Render(ReportContent content)
    {
        var page = new StringBuilder($"<section class=\"cards\">{Cards(content)}</section>\n");
        Section(page, "Curves", $"<div class=\"columns three\">{Curves(content.Log)}</div>", "wide");
        page.Append("<div class=\"columns\">\n");
        Section(page, "Confusion", Confusion(content));
        page.Append("<div>\n");
        Section(page, "Accuracy per class", BarCharts.PerClass(content.Evaluation, content.Classes));
        Section(
            page,
            "Calibration",
            $"<p>Expected calibration error {Html.Percent(content.Evaluation.Ece)}, largest gap of a bin {Html.Percent(content.Evaluation.Mce)}. Bars on the diagonal: as sure as right; the shaded part is the gap.</p>{BarCharts.Calibration(content.Evaluation)}"
        );
        page.Append("</div>\n</div>\n");
        if (content.Attention.Count > 0)
            Section(page, "Where it looks", Attention(content.Attention));
        if (content.Mistakes.Count > 0)
            Section(page, "Surest mistakes", Mistakes(content));
        if (UnreadableLog.Read(content.Log) is { Count: > 0 } unreadable)
            Section(page, "Unreadable images", Unreadable(unreadable));
        page.Append("<div class=\"columns\">\n");
        Section(page, "Recipe", $"<pre>{Html.Encode(content.Recipe.Trim())}</pre>");
        Section(
            page,
            "Environment",
            $"{HtmlPage.Facts(content.Environment)}<h3>Run it again</h3><pre>{Html.Encode(content.Command)}</pre>"
        );
        return HtmlPage.Of("training report", content.Title, page.Append("</div>").ToString());
    }

    private static void Section(StringBuilder page, string title, string body, string kind = "") =>
        page.Append($"<section class=\"panel {kind}\"><h2>{Html.Encode(title)}</h2>{body}</section>\n");

    private static string Cards(ReportContent content)
    {
        var steps = content.Log.Where(line => Kind(line) == "step").ToArray();
        var seconds = steps.Sum(line => (double?)line["seconds"] ?? 0);
        var rates = steps.Select(line => (double?)line["images_per_second"] ?? 0).Where(rate => rate > 0).Order().ToArray();
        List<(string Name, string Value, string Note)> cards =
        [
            ("top-1", Html.Percent(content.Evaluation.Top1), $"{Html.Whole(content.Evaluation.Count)} test {content.Samples}"),
            ("top-5", Html.Percent(content.Evaluation.Top5), $"mean per class {Html.Percent(content.Evaluation.MeanPerClass)}"),
            ("test loss", Html.Fixed(content.Evaluation.Loss, 3), $"Brier {Html.Fixed(content.Evaluation.Brier, 3)}"),
            (
                "parameters",
                content.Parameters >= 1_000_000
                    ? $"{Html.Fixed(content.Parameters / 1e6, 2)} M"
                    : $"{Html.Fixed(content.Parameters / 1e3, 0)} k",
                $"{content.Classes.Count} classes"
            ),
        ];
        if (content.Ema is { } ema)
            cards.Insert(1, ("top-1 of the average", Html.Percent(ema.Top1), "moving average of the weights"));
        if (seconds > 0)
            cards.Add(
                (
                    "training",
                    Html.Duration(TimeSpan.FromSeconds(seconds)),
                    $"{(long?)steps[^1]["epoch"]} epochs, {Html.Whole((long)steps[^1]["step"]!)} steps"
                )
            );
        if (rates.Length > 0)
            cards.Add(
                (
                    "speed",
                    $"{Html.Whole((long)rates[rates.Length / 2])}",
                    $"{content.Samples} a second, median{Arithmetic(steps)}{(Median(steps, "waited") is { } waited ? $"; {Html.Percent(waited, 0)} of the time waiting for data" : "")}"
                )
            );
        var unreadable = UnreadableLog.Read(content.Log).Count;
        if (unreadable > 0)
            cards.Add(("unreadable images", Html.Whole(unreadable), "listed below"));
        return string.Concat(
            cards.Select(card =>
                $"<div class=\"card\"><span>{Html.Encode(card.Name)}</span><strong>{Html.Encode(card.Value)}</strong><small>{Html.Encode(card.Note)}</small></div>"
            )
        );
    }

    private static string Arithmetic(IReadOnlyList<JsonObject> steps) =>
        Median(steps, "gflops") is not { } gflops
            ? ""
            : $"; {Html.Whole((long)gflops)} GFLOP/s{(Median(steps, "peak_share") is { } share ? $", {Html.Percent(share, 0)} of the measured peak" : "")}";

    private static double? Median(IReadOnlyList<JsonObject> lines, string field)
    {
        double[] values = [.. lines.Where(line => line[field] is not null).Select(line => (double)line[field]!).Order()];
        return values.Length > 0 ? values[values.Length / 2] : null;
    }

    private static string? Kind(JsonObject line) => (string?)line["kind"];

    private static string Curves(IReadOnlyList<JsonObject> log)
    {
        var curves = new RunCurves(log);
        return new LineChart(
                "Loss",
                "epoch",
                [
                    new("training", 0, curves.OfSteps("loss")),
                    new("test", 1, curves.OfEvaluations("loss"), Marked: true),
                    new("test, average", 2, curves.OfEvaluations("ema_loss"), Marked: true),
                ],
                v => v.ToString("0.0#", System.Globalization.CultureInfo.InvariantCulture)
            ).ToSvg()
            + new LineChart(
                "Accuracy",
                "epoch",
                [
                    new("training", 0, curves.OfSteps("top1")),
                    new("test", 1, curves.OfEvaluations("top1"), Marked: true),
                    new("test, average", 2, curves.OfEvaluations("ema_top1"), Marked: true),
                ],
                v => Html.Percent(v, 0)
            ).ToSvg()
            + new LineChart("Learning rate", "epoch", [new("learning rate", 3, curves.OfSteps("lr"))], v =>
                v.ToString("0.0e0", System.Globalization.CultureInfo.InvariantCulture)
            ).ToSvg();
    }

    private static string Confusion(ReportContent content) =>
        $"<p>Rows are the true classes, columns the predictions.</p>{ConfusionChart.ToSvg(content.Evaluation.Confusion, content.Classes)}"
        + $"<h3>Confused most often</h3><table><tr><th>true</th><th>taken for</th><th class=\"number\">images</th><th class=\"number\">of the class</th></tr>{ConfusionChart.WorstPairs(content.Evaluation.Confusion, content.Classes, 8)}</table>";

    private static string Attention(IReadOnlyList<AttentionRow> rows) =>
        "<p>Attention as the tokens that the classifier reads see it, mean over the heads; roll-out multiplies all blocks (Abnar and Zuidema, 2020). Bright is where the model looks.</p><div class=\"attention\">"
        + string.Concat(
            rows.Select(row =>
                $"<figure class=\"row\" style=\"grid-template-columns:repeat({row.Pictures.Count},minmax(0,1fr))\">{string.Concat(row.Pictures.Select(p => $"<div><img alt=\"{Html.Encode(p.Name)}\" src=\"{p.Image}\"><small>{Html.Encode(p.Name)}</small></div>"))}<figcaption>{Outcome(row.Label, row.Predicted)}</figcaption></figure>"
            )
        )
        + "</div>";

    private static string Outcome(string label, string predicted) =>
        label == predicted
            ? $"<b class=\"good\">{Html.Encode(label)}</b>"
            : $"{Html.Encode(label)}, taken for <b class=\"bad\">{Html.Encode(predicted)}</b>";

    private static string Mistakes(ReportContent content) =>
        "<div class=\"gallery\">"
        + string.Concat(
            content.Mistakes.Select(m =>
                $"<figure>{(m.Image is null ? $"<blockquote>{Html.Encode(m.Sample)}</blockquote>" : $"<img alt=\"sample {Html.Encode(m.Sample)}\" src=\"{m.Image}\">")}<figcaption><b class=\"bad\">{Html.Encode(content.Classes[m.Mistake.Predicted])}</b> {Html.Percent(m.Mistake.Confidence, 1)}<br><span>is {Html.Encode(content.Classes[m.Mistake.Label])}</span>{(m.Image is null ? "" : $"<br><small>{Html.Encode(m.Sample)}</small>")}</figcaption></figure>"
            )
        )
        + "</div>";

    private static string Unreadable(IReadOnlyList<(string Split, UnreadableImage Image)> found) =>
        "<p>Training took another image in the place of each, drawn deterministically; measuring left them out.</p><table><tr><th>file</th><th>part</th><th>what is wrong</th></tr>"
        + string.Concat(
            found
                .Take(MostUnreadable)
                .Select(f =>
                    $"<tr><td>{Html.Encode(f.Image.Name)}</td><td>{Html.Encode(f.Split)}</td><td>{Html.Encode(f.Image.Problem)}</td></tr>"
                )
        )
        + "</table>"
        + (found.Count > MostUnreadable ? $"<p>And {Html.Whole(found.Count - MostUnreadable)} more: log.jsonl lists all.</p>" : "");
}
