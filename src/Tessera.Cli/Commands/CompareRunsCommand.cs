using System.CommandLine;
using System.Text;
using Tessera.Cli.Rendering;
using Tessera.Cli.Shell;
using Tessera.Training.Reports;

namespace Tessera.Cli.Commands;

/// <summary><c>tessera compare-runs</c>: outcomes of runs and differences of their recipes.</summary>
internal static class CompareRunsCommand
{
    private static readonly Argument<string[]> Runs = new("runs")
    {
        Description = "Two or more run folders.",
        Arity = ArgumentArity.OneOrMore,
    };
    private static readonly Option<string?> Out = new("--out")
    {
        Description = "Also write an HTML page with the overlaid curves of all runs.",
        HelpName = "file.html",
    };

    internal static Command Create()
    {
        var command = new ExampleCommand("compare-runs", "Compare runs: accuracy, loss, speed, time, and the differences of their recipes.")
        {
            Examples =
            [
                ("tessera compare-runs runs/a runs/b", "print a table with one column per run"),
                ("tessera compare-runs runs/* --out compare.html", "also write the curves as a page"),
                ("tessera compare-runs runs/a runs/b --json | jq .differences", "print JSON for a program"),
            ],
            Arguments = { Runs },
            Options = { Out },
        };
        command.SetAction(parsed =>
        {
            var terminal = parsed.Terminal();
            var folders = parsed.GetRequiredValue(Runs);
            if (folders.Length < 2)
                throw new UserException("compare-runs needs at least two runs; only one was given");
            RunSummary[] runs = [.. folders.Select(RunSummary.Of)];
            var page = parsed.GetValue(Out);
            if (page is not null)
                AtomicFile.Write(page, Encoding.UTF8.GetBytes(ComparisonPage.Render(runs)));
            if (terminal.Json)
                WriteJson(runs, page);
            else
                Show(terminal, runs, page);
        });
        return command;
    }

    private static void WriteJson(RunSummary[] runs, string? page) =>
        Terminal.WriteJson(
            new
            {
                Runs = runs.Select(run => new
                {
                    Run = run.Path,
                    run.Primary,
                    run.Best,
                    run.Last,
                    Averaged = run.LastEma,
                    run.LastLoss,
                    run.TrainLoss,
                    run.ImagesPerSecond,
                    Seconds = Math.Round(run.Seconds, 3),
                    run.Epochs,
                    run.Steps,
                }),
                Differences = RunSummary.Differences(runs).ToDictionary(row => row.Field, row => row.Values),
                Page = page,
            }
        );

    private static void Show(Terminal terminal, RunSummary[] runs, string? page)
    {
        var table = new TextTable([new(""), .. runs.Select(run => new Column(run.Path, true))]);
        Add("score", run => run.Primary ?? Figures.None);
        Add("best", run => Score(run, run.Best));
        Add("last", run => Score(run, run.Last));
        if (runs.Any(run => run.LastEma is not null))
            Add("averaged weights", run => Score(run, run.LastEma));
        Add("test loss", run => Loss(run.LastLoss));
        Add("training loss", run => Loss(run.TrainLoss));
        Add("images per second", run => run.ImagesPerSecond is { } rate ? $"{rate:N0}" : Figures.None);
        Add("training time", run => Figures.Time(TimeSpan.FromSeconds(run.Seconds)));
        Add("epochs", run => $"{run.Epochs:N0}");
        Add("steps", run => $"{run.Steps:N0}");
        foreach (var (field, values) in RunSummary.Differences(runs))
            table.Add([field, .. values.Select(value => value ?? Figures.None)]);
        table.Show(terminal);
        if (page is not null)
            terminal.Note($"page  {page}");

        void Add(string name, Func<RunSummary, string> figure) => table.Add([name, .. runs.Select(figure)]);
    }

    private static string Score(RunSummary run, double? score) =>
        score is not { } value ? Figures.None
        : run.IsShare ? Figures.Percent(value)
        : Figures.Loss(value);

    private static string Loss(double? loss) => loss is { } value ? Figures.Loss(value) : Figures.None;
}
