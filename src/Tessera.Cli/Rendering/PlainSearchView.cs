using Tessera.Search.Running;

namespace Tessera.Cli.Rendering;

/// <summary>Progress as lines: one now and then, one for every generation.</summary>
internal sealed class PlainSearchView(TextWriter to, TimeProvider clock) : SearchView
{
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(10);
    private PlainTrainingView training = new(to, clock);
    private long? shown;

    internal override void Handle(SearchEvent happened)
    {
        if (Failure(happened) is { } line)
            to.WriteLine(line);
        switch (happened)
        {
            case StageBegun begun:
                training = new(to, clock);
                to.WriteLine(Heading(begun));
                break;
            case StageTrains { Event: var trained }:
                training.Handle(trained);
                break;
            case SearchProgress progress
                when progress.Done == progress.Size || shown is not { } before || clock.GetElapsedTime(before) >= Interval:
                shown = clock.GetTimestamp();
                to.WriteLine(Figures(progress, "  "));
                break;
        }
    }

    internal override void AnnounceStop() =>
        to.WriteLine("stopping: the candidate at hand is given back, a training writes a checkpoint; Ctrl-C again stops at once");
}
