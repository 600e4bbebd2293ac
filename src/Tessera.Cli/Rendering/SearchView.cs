using System.Globalization;
using Tessera.Cli.Shell;
using Tessera.Search.Running;

namespace Tessera.Cli.Rendering;

/// <summary>Shows how a search goes.</summary>
internal abstract class SearchView
{
    /// <summary>Drawn on a terminal, lines elsewhere, nothing when quiet.</summary>
    internal static SearchView For(Terminal terminal) =>
        terminal.IsDrawn ? new LiveSearchView(terminal.Drawing)
        : terminal.Quiet ? new SilentSearchView()
        : new PlainSearchView(terminal.Text, TimeProvider.System);

    /// <summary>Whether Ctrl-C was pressed. May be called on another thread.</summary>
    internal virtual void AnnounceStop() { }

    /// <summary>Called with everything that happens, on the thread that searches.</summary>
    internal abstract void Handle(SearchEvent happened);

    /// <summary>Shows progress while the work runs.</summary>
    internal virtual T Run<T>(Func<T> work) => work();

    /// <summary>How far a stage of candidates is.</summary>
    protected static string Figures(SearchProgress progress, string between)
    {
        string[] parts =
        [
            $"generation {Text(progress.Generation + 1)}{(progress.Generations is { } all ? $"/{Text(all)}" : "")}",
            $"candidates {Text(progress.Done)}/{Text(progress.Size)}",
            .. progress.Best is [var best, ..] ? [$"best {NetworkTable.Score(best)}"] : Array.Empty<string>(),
            .. progress.Failed > 0 ? [$"{Text(progress.Failed)} failed"] : Array.Empty<string>(),
            .. progress.SecondsPerCandidate is { } seconds
                ? [string.Create(CultureInfo.InvariantCulture, $"{seconds:0.0} s a candidate")]
                : Array.Empty<string>(),
            .. progress.Remaining is { } left ? [$"{Rendering.Figures.Time(left)} left"] : Array.Empty<string>(),
        ];
        return string.Join(between, parts);
    }

    /// <summary>A line on a candidate that could not be scored; null where it has a score.</summary>
    protected static string? Failure(SearchEvent happened) =>
        happened switch
        {
            CandidateRetried { Candidate: var again } => $"{NetworkTable.Short(again.Genome)} is tried again: {again.Error}",
            CandidateDone { Candidate: { State: Tessera.Search.CandidateState.Failed } failed } =>
                $"{NetworkTable.Short(failed.Genome)} has failed: {failed.Error}",
            _ => null,
        };

    /// <summary>The heading of a stage.</summary>
    protected static string Heading(StageBegun begun) => $"stage {begun.Stage} ({Text(begun.Number)} of {Text(begun.Stages)})";

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);
}

/// <summary>Shows nothing.</summary>
internal sealed class SilentSearchView : SearchView
{
    internal override void Handle(SearchEvent happened) { }
}
