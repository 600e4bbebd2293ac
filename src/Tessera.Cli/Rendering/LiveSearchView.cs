using Spectre.Console;
using Spectre.Console.Rendering;
using Tessera.Search.Results;
using Tessera.Search.Running;

namespace Tessera.Cli.Rendering;

/// <summary>Progress on a terminal: how far the generation is, and the best networks so far. Trainings are shown as always.</summary>
internal sealed class LiveSearchView(IAnsiConsole console) : SearchView
{
    private const int BarWidth = 40;

    private LiveDisplayContext? live;
    private LiveTrainingView? training;
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

    internal override void AnnounceStop()
    {
        stopping = true;
        training?.AnnounceStop();
    }

    internal override void Handle(SearchEvent happened)
    {
        if (Failure(happened) is { } line)
            console.Above($"[yellow]{Markup.Escape(line)}[/]");
        switch (happened)
        {
            case StageBegun begun:
                console.Above($"[bold]{Markup.Escape(Heading(begun))}[/]");
                var view = new LiveTrainingView(console);
                if (live is not null)
                    view.DrawOn(live);
                training = view;
                break;
            case StageTrains { Event: var trained }:
                training?.Handle(trained);
                break;
            case SearchProgress progress:
                live?.UpdateTarget(Draw(progress));
                break;
        }
    }

    private Rows Draw(SearchProgress progress)
    {
        var full = BarWidth * progress.Done / progress.Size;
        List<IRenderable> lines =
        [
            new Markup($"[green]{new string('━', full)}[/][grey]{new string('─', BarWidth - full)}[/]"),
            new Markup($"[grey]{Markup.Escape(Figures(progress, " · "))}[/]"),
        ];
        if (progress.Best.Count > 0)
            lines.Add(NetworkTable.Of(NetworkRanking.Of(progress.Best)).Draw());
        if (stopping)
            lines.Add(new Markup("[yellow]Stopping: the candidate at hand is given back; Ctrl-C again stops at once.[/]"));
        return new Rows(lines);
    }
}
