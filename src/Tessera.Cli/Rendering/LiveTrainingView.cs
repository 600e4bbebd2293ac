using System.Diagnostics;
using Spectre.Console;
using Spectre.Console.Rendering;
using Tessera.Training;

namespace Tessera.Cli.Rendering;

/// <summary>Progress on a terminal: two lines that change, and above them one that stays for every evaluation.</summary>
internal sealed class LiveTrainingView(IAnsiConsole console) : TrainingView
{
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(100);
    private readonly long started = Stopwatch.GetTimestamp();
    private LiveDisplayContext? live;
    private long drawn;
    private bool headed;
    private int evaluating;
    private volatile bool stopping;

    internal override T Run<T>(Func<T> work) =>
        console
            .Live(new Text("Preparing ..."))
            .AutoClear(true)
            .Start(context =>
            {
                live = context;
                return work();
            });

    /// <summary>Draws in the place of somebody who has begun to draw: a search, of which the training is a part.</summary>
    internal void DrawOn(LiveDisplayContext context) => live = context;

    // Drawn by the thread that trains, at its next step.
    protected override void Stopping() => stopping = true;

    protected override void Show(TrainingEvent happened)
    {
        evaluating = happened is Evaluating some ? some.Samples : 0;
        if (happened.Remark is { } remark)
            console.Above($"[yellow]{Markup.Escape(remark)}[/]");
        switch (happened)
        {
            case Resumed resumed:
                console.Above($"Resumed at step {resumed.Step} from [blue]{Markup.Escape(resumed.Path)}[/]");
                foreach (var reason in resumed.Skipped)
                    console.Above($"[yellow]Skipped[/] {Markup.Escape(reason)}");
                break;
            case ImageUnreadable found when Line(found) is { } line:
                console.Above($"[yellow]{Markup.Escape(line)}[/]");
                break;
            case Evaluated done:
                AddRow(done);
                break;
        }
        if (Stopwatch.GetElapsedTime(drawn) < Interval)
            return;
        drawn = Stopwatch.GetTimestamp();
        live?.UpdateTarget(Draw());
    }

    private void AddRow(Evaluated done)
    {
        var rows = done.Metrics.Headline;
        if (!headed)
        {
            var names = string.Concat(rows.Select(row => $"{row.Name, 12}"));
            console.Above(
                $"[grey]{"epoch", 6}{"train loss", 13}{Markup.Escape(names)}{(done.Ema is null ? "" : "averaged"), 12}{"time", 10}[/]"
            );
        }
        headed = true;
        var score = done.Metrics.Headline.FirstOrDefault(row => row.Format == MetricFormat.Share) ?? rows[0];
        var figures = string.Concat(
            rows.Select(row => row == score ? $"[green]{MetricsTable.Text(row), 12}[/]" : $"{MetricsTable.Text(row), 12}")
        );
        var averaged = done.Ema?.Headline.FirstOrDefault(row => row.Name == score.Name) is { } same ? MetricsTable.Text(same) : "";
        var loss = TrainLoss is { } mean ? Rendering.Figures.Loss(mean) : "";
        var time = Rendering.Figures.Time(Stopwatch.GetElapsedTime(started));
        console.Above($"{done.Epoch + 1, 6}{loss, 13}{figures}{averaged, 12}{time, 10}");
    }

    private Rows Draw()
    {
        if (Last is not { } step)
            return new Rows(new Text(evaluating > 0 ? $"Evaluating ... {evaluating} images" : "Preparing ..."));
        var share = step.Step / (double)step.Steps;
        var head = $"epoch {step.Epoch + 1}/{step.Epochs} ";
        var tail = $" {100 * share, 3:0} %";
        var width = Math.Clamp(console.Profile.Width - head.Length - tail.Length - 1, 10, 80);
        var full = (int)Math.Round(share * width);
        List<IRenderable> lines =
        [
            new Markup($"{head}[green]{new string('━', full)}[/][grey]{new string('─', width - full)}[/]{tail}"),
            new Markup(
                evaluating > 0
                    ? $"[grey]step {step.Step}/{step.Steps} · evaluating: {evaluating} images[/]"
                    : $"[grey]step {step.Step}/{step.Steps} · {Figures(step, " · ")}[/]"
            ),
        ];
        if (stopping)
            lines.Add(new Markup("[yellow]Stopping after this step with a checkpoint; Ctrl-C again stops at once.[/]"));
        return new Rows(lines);
    }
}
