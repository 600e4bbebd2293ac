using System.Globalization;
using System.Text.Json.Nodes;
using Tessera.Data;
using Tessera.Training.Drawing;
using Tessera.Training.Runs;
using Tessera.Training.Tasks;

namespace Tessera.Training.Reports;

/// <summary>Everything that a report shows.</summary>
/// <param name="Title">Model and data.</param>
/// <param name="Recipe">The resolved recipe.</param>
/// <param name="Command">The command line that reproduces the run.</param>
/// <param name="Log">Lines of the log.</param>
/// <param name="Results">The measurements and the sections of the task.</param>
/// <param name="Environment">Versions and machine.</param>
internal sealed record ReportContent(
    string Title,
    string Recipe,
    string Command,
    IReadOnlyList<JsonObject> Log,
    RunResults Results,
    IReadOnlyList<(string Name, string Value)> Environment
);

/// <summary>The report of a run: one self-contained HTML page.</summary>
internal static class ReportPage
{
    private const int MostUnreadable = 1000;
    private const int MostRows = 200;

    /// <summary>Renders the page.</summary>
    public static string Render(ReportContent content)
    {
        var unreadable = UnreadableLog.Read(content.Log);
        var tables = content.Results.Metrics.Tables(content.Results.Classes);
        return HtmlPage.Of(
            "training report",
            content.Title,
            $"""
            <section class="cards">{Cards(content)}</section>
            {Remarks(content.Log)}
            {Section("Curves", $"""<div class="columns three">{Curves(content)}</div>""", "wide")}
            {Sections(content.Results.Sections)}
            {string.Concat(tables.Select(table => Section(Capital(table.Title), Table(table))))}
            {(unreadable.Count > 0 ? Section("Unreadable images", Unreadable(unreadable)) : "")}
            <div class="columns">
            {Section("Recipe", $"<pre>{Html.Encode(content.Recipe.Trim())}</pre>")}
            {Section("Environment", $"{HtmlPage.Facts(content.Environment)}<h3>Run it again</h3><pre>{Html.Encode(content.Command)}</pre>")}
            </div>
            """
        );
    }

    private static string Remarks(IReadOnlyList<JsonObject> log)
    {
        var remarks = log.Where(line => Kind(line) == RunLog.Remark).Select(line => (string)line[RunLog.Remark]!).Distinct().ToArray();
        return remarks.Length == 0
            ? ""
            : Section("Remarks", $"<ul>{string.Concat(remarks.Select(remark => $"<li>{Html.Encode(remark)}</li>"))}</ul>");
    }

    private static string Section(string title, string body, string kind = "") =>
        $"""<section class="panel {kind}"><h2>{Html.Encode(title)}</h2>{body}</section>""" + "\n";

    // Columns stand side by side; the sections of one column stand above each other.
    private static string Sections(IReadOnlyList<ReportSection> sections)
    {
        var beside = sections.Where(section => section.Column > 0).GroupBy(section => section.Column).OrderBy(column => column.Key);
        var columns = string.Concat(
            beside.Select(column => $"<div>{string.Concat(column.Select(section => Section(section.Title, section.Html)))}</div>")
        );
        var wide = string.Concat(sections.Where(section => section.Column == 0).Select(section => Section(section.Title, section.Html)));
        return (columns.Length > 0 ? $"""<div class="columns">{columns}</div>""" : "") + wide;
    }

    private static string Capital(string text) => text.Length == 0 ? text : char.ToUpperInvariant(text[0]) + text[1..];

    private static string Cards(ReportContent content)
    {
        var (results, steps) = (content.Results, content.Log.Where(line => Kind(line) == "step").ToArray());
        var seconds = steps.Sum(line => (double?)line["seconds"] ?? 0);
        List<(string Name, string Value, string Note)> cards =
        [
            .. results.Metrics.Headline.OrderByDescending(row => row.Format == MetricFormat.Share).Select(row => (row.Name, Text(row), "")),
        ];
        cards[0] = cards[0] with { Note = $"{Html.Integer(results.Metrics.Count)} test {results.Samples}" };
        if (results.Ema is { } ema && ema.Headline.OrderByDescending(row => row.Format == MetricFormat.Share).First() is var averaged)
            cards.Insert(1, ($"{averaged.Name} of the moving average", Text(averaged), "moving average of the weights"));
        cards.Add(("parameters", Parameters(results.Parameters), results.Classes.Count > 0 ? $"{results.Classes.Count} classes" : ""));
        if (seconds > 0)
        {
            var done = $"{(long?)steps[^1]["epoch"]} epochs, {Html.Integer((long)steps[^1]["step"]!)} steps";
            cards.Add(("training", Html.Duration(TimeSpan.FromSeconds(seconds)), done));
        }
        if (Median(steps, "images_per_second", positive: true) is { } rate)
            cards.Add(("speed", Html.Integer((long)rate), $"{results.Samples} per second, median{Arithmetic(steps)}{Waiting(steps)}"));
        if (UnreadableLog.Read(content.Log).Count is > 0 and var unreadable)
            cards.Add(("unreadable images", Html.Integer(unreadable), "listed below"));
        return string.Concat(cards.Select(card => Card(card.Name, card.Value, card.Note)));
    }

    private static string Card(string name, string value, string note) =>
        $"""
            <div class="card"><span>{Html.Encode(name)}</span><strong>{Html.Encode(value)}</strong><small>{Html.Encode(note)}</small></div>
            """;

    private static string Text(MetricRow row) =>
        row.Format switch
        {
            MetricFormat.Share => Html.Percent(row.Value),
            MetricFormat.Count => Html.Integer((long)row.Value),
            _ => Html.Fixed(row.Value, 3),
        };

    private static string Parameters(long count) =>
        count >= 1_000_000 ? $"{Html.Fixed(count / 1e6, 2)} M" : $"{Html.Fixed(count / 1e3, 0)} k";

    private static string Waiting(IReadOnlyList<JsonObject> steps) =>
        Median(steps, "waited") is { } waited ? $"; {Html.Percent(waited, 0)} of the time waiting for data" : "";

    private static string Arithmetic(IReadOnlyList<JsonObject> steps)
    {
        if (Median(steps, "gflops") is not { } gflops)
            return "";
        var share = Median(steps, "peak_share") is { } peak ? $", {Html.Percent(peak, 0)} of the measured peak" : "";
        return $"; {Html.Integer((long)gflops)} GFLOP/s{share}";
    }

    private static double? Median(IReadOnlyList<JsonObject> lines, string field, bool positive = false)
    {
        double[] values =
        [
            .. lines
                .Where(line => line[field] is not null)
                .Select(line => (double)line[field]!)
                .Where(value => !positive || value > 0)
                .Order(),
        ];
        return values.Length > 0 ? values[values.Length / 2] : null;
    }

    private static string? Kind(JsonObject line) => (string?)line["kind"];

    private static string Curves(ReportContent content)
    {
        var curves = new RunCurves(content.Log);
        var drawn = content.Results.Metrics.Curves.Concat(content.Results.Watched).Where(curve => curve.Field != "loss");
        return Chart(new("Loss", "loss", MetricFormat.Number)).ToSvg()
            + string.Concat(drawn.Select(curve => Chart(curve).ToSvg()))
            + new LineChart("Learning rate", "epoch", [new("learning rate", 3, curves.OfSteps("lr"))], v =>
                v.ToString("0.0e0", CultureInfo.InvariantCulture)
            ).ToSvg();

        LineChart Chart(MetricCurve curve) =>
            new(
                curve.Title,
                "epoch",
                [
                    new("training", 0, curves.OfSteps(curve.Field)),
                    new("test", 1, curves.OfEvaluations(curve.Field), Marked: true),
                    new("test, average", 2, curves.OfEvaluations($"ema_{curve.Field}"), Marked: true),
                ],
                v => curve.Format == MetricFormat.Share ? Html.Percent(v, 0) : v.ToString("0.0#", CultureInfo.InvariantCulture)
            );
    }

    private static string Table(MetricTable table)
    {
        var more =
            table.Rows.Count > MostRows ? $"<p>And {Html.Integer(table.Rows.Count - MostRows)} more; results.json lists all.</p>" : "";
        return HtmlPage.Table(table with { Rows = [.. table.Rows.Take(MostRows)] }) + more;
    }

    private static string Unreadable(IReadOnlyList<(string Split, UnreadableImage Image)> found)
    {
        var rows = found.Take(MostUnreadable).Select(f => Row(f.Image.Name, f.Split, f.Image.Problem));
        var more =
            found.Count > MostUnreadable ? $"<p>And {Html.Integer(found.Count - MostUnreadable)} more; log.jsonl lists all.</p>" : "";
        return $"""
            <p>Training replaced each of these images by another image, drawn deterministically; evaluation left them out.</p>
            <table><tr><th>file</th><th>split</th><th>problem</th></tr>{string.Concat(rows)}</table>{more}
            """;

        static string Row(params string[] cells) => $"<tr>{string.Concat(cells.Select(cell => $"<td>{Html.Encode(cell)}</td>"))}</tr>";
    }
}
