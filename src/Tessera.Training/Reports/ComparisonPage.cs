using System.Globalization;
using Tessera.Training.Drawing;

namespace Tessera.Training.Reports;

/// <summary>Runs side by side as one self-contained HTML page: figures, overlaid curves and the differences of their recipes.</summary>
internal static class ComparisonPage
{
    // Colours of the page that lines can be told apart by; 4 is for backgrounds.
    private static readonly int[] colours = [0, 1, 2, 3, 5, 6];

    /// <summary>Renders the page.</summary>
    public static string Render(IReadOnlyList<RunSummary> runs)
    {
        string[] names = [.. runs.Select(run => Path.GetFileName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(run.Path))))];
        var title = $"Comparison of {runs.Count} runs";
        return HtmlPage.Of(
            "comparison",
            title,
            $"""
            <section class="panel"><h2>Figures</h2>{Figures(runs, names)}</section>
            <section class="panel wide"><h2>Curves</h2><div class="columns">{Charts(runs, names)}</div></section>
            <section class="panel"><h2>Differences of the recipes</h2>{Differences(runs, names)}</section>
            """
        );
    }

    private static string Figures(IReadOnlyList<RunSummary> runs, string[] names)
    {
        string[] heads =
        [
            "run",
            "score",
            "best",
            "last",
            "averaged",
            "test loss",
            "training loss",
            "images per second",
            "training",
            "epochs",
        ];
        var rows = runs.Select((run, i) => $"<tr><td>{Html.Encode(names[i])}</td>{string.Concat(Cells(run).Select(Cell))}</tr>");
        return $"<table><tr>{string.Concat(heads.Select(Head))}</tr>{string.Concat(rows)}</table>";

        static string Head(string head, int i) => i == 0 ? $"<th>{head}</th>" : $"""<th class="number">{head}</th>""";
        static string Cell(string cell) => $"""<td class="number">{Html.Encode(cell)}</td>""";
    }

    private static string[] Cells(RunSummary run) =>
        [
            run.Primary ?? None,
            Score(run, run.Best),
            Score(run, run.Last),
            Score(run, run.LastEma),
            Loss(run.LastLoss),
            Loss(run.TrainLoss),
            run.ImagesPerSecond is { } rate ? Html.Integer((long)rate) : None,
            Html.Duration(TimeSpan.FromSeconds(run.Seconds)),
            Html.Integer(run.Epochs),
        ];

    private const string None = "–";

    private static string Score(RunSummary run, double? score) =>
        score is not { } value ? None
        : run.IsShare ? Html.Percent(value)
        : Html.Fixed(value, 4);

    private static string Loss(double? loss) => loss is { } value ? Html.Fixed(value, 4) : None;

    private static string Charts(IReadOnlyList<RunSummary> runs, string[] names)
    {
        // One chart per primary score, with the runs that have it.
        var scores = runs.Where(run => run.Primary is not null)
            .DistinctBy(run => run.Primary)
            .Select(run =>
                Chart(
                    $"Test {run.Primary}",
                    curves => curves.OfEvaluations(run.Primary!),
                    true,
                    v => run.IsShare ? Html.Percent(v, 0) : Plain(v)
                )
            );
        return string.Concat(scores)
            + Chart("Test loss", curves => curves.OfEvaluations("loss"), true, Plain)
            + Chart("Training loss", curves => curves.OfSteps("loss"), false, Plain)
            + Chart("Learning rate", curves => curves.OfSteps("lr"), false, v => v.ToString("0.0e0", CultureInfo.InvariantCulture));

        string Chart(string title, Func<RunCurves, IReadOnlyList<(double X, double Y)>> points, bool marked, Func<double, string> format) =>
            new LineChart(
                title,
                "epoch",
                [.. runs.Select((run, i) => new Series(Html.Short(names[i], 24), colours[i % colours.Length], points(run.Curves), marked))],
                format
            ).ToSvg();
        static string Plain(double value) => value.ToString("0.0#", CultureInfo.InvariantCulture);
    }

    private static string Differences(IReadOnlyList<RunSummary> runs, string[] names)
    {
        var rows = RunSummary.Differences(runs);
        if (rows.Count == 0)
            return "<p>The recipes are the same.</p>";
        var head = string.Concat(names.Select(name => $"<th>{Html.Encode(name)}</th>"));
        return $"<table><tr><th>field</th>{head}</tr>{string.Concat(rows.Select(row => Row(row.Field, row.Values)))}</table>";

        static string Row(string field, IReadOnlyList<string?> values) =>
            $"<tr><th>{Html.Encode(field)}</th>{string.Concat(values.Select(value => $"<td>{Html.Encode(value ?? None)}</td>"))}</tr>";
    }
}
