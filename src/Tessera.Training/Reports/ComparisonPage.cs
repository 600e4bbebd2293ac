using System.Globalization;

namespace Tessera.Training;

/// <summary>Runs side by side as one HTML page that needs nothing else: figures, curves over each other, what their recipes differ in.</summary>
public static class ComparisonPage
{
    // Numbers of the page's colours that are told apart as lines; 4 is for backgrounds.
    private static readonly int[] colours = [0, 1, 2, 3, 5, 6];

    /// <summary>The page.</summary>
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
            <section class="panel"><h2>What the recipes differ in</h2>{Differences(runs, names)}</section>
            """
        );
    }

    private static string Figures(IReadOnlyList<RunSummary> runs, string[] names)
    {
        string[] heads =
        [
            "run",
            "best top-1",
            "last top-1",
            "averaged",
            "test loss",
            "training loss",
            "images a second",
            "training",
            "epochs",
        ];
        return $"<table><tr>{string.Concat(heads.Select((head, i) => i == 0 ? $"<th>{head}</th>" : $"<th class=\"number\">{head}</th>"))}</tr>"
            + string.Concat(
                runs.Select(
                    (run, i) =>
                        $"<tr><td>{Html.Encode(names[i])}</td>{string.Concat(Cells(run).Select(cell => $"<td class=\"number\">{cell}</td>"))}</tr>"
                )
            )
            + "</table>";
    }

    private static string[] Cells(RunSummary run) =>
        [
            Share(run.BestTop1),
            Share(run.LastTop1),
            Share(run.LastEmaTop1),
            Loss(run.LastLoss),
            Loss(run.TrainLoss),
            run.ImagesPerSecond is { } rate ? Html.Whole((long)rate) : "–",
            Html.Duration(TimeSpan.FromSeconds(run.Seconds)),
            Html.Whole(run.Epochs),
        ];

    private static string Share(double? share) => share is { } value ? Html.Percent(value) : "–";

    private static string Loss(double? loss) => loss is { } value ? Html.Fixed(value, 4) : "–";

    private static string Charts(IReadOnlyList<RunSummary> runs, string[] names)
    {
        string Chart(string title, Func<RunCurves, IReadOnlyList<(double X, double Y)>> points, bool marked, Func<double, string> format) =>
            new LineChart(
                title,
                "epoch",
                [.. runs.Select((run, i) => new Series(Html.Short(names[i], 24), colours[i % colours.Length], points(run.Curves), marked))],
                format
            ).ToSvg();
        static string Plain(double value) => value.ToString("0.0#", CultureInfo.InvariantCulture);
        return Chart("Test accuracy", curves => curves.OfEvaluations("top1"), true, v => Html.Percent(v, 0))
            + Chart("Test loss", curves => curves.OfEvaluations("loss"), true, Plain)
            + Chart("Training loss", curves => curves.OfSteps("loss"), false, Plain)
            + Chart("Learning rate", curves => curves.OfSteps("lr"), false, v => v.ToString("0.0e0", CultureInfo.InvariantCulture));
    }

    private static string Differences(IReadOnlyList<RunSummary> runs, string[] names)
    {
        var rows = RunSummary.Differences(runs);
        if (rows.Count == 0)
            return "<p>Nothing.</p>";
        return $"<table><tr><th>field</th>{string.Concat(names.Select(name => $"<th>{Html.Encode(name)}</th>"))}</tr>"
            + string.Concat(
                rows.Select(row =>
                    $"<tr><th>{Html.Encode(row.Field)}</th>{string.Concat(row.Values.Select(value => $"<td>{Html.Encode(value ?? "–")}</td>"))}</tr>"
                )
            )
            + "</table>";
    }
}
