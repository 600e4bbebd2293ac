using System.Globalization;
using Spectre.Console;
using Tessera.Cli.Shell;

namespace Tessera.Cli.Rendering;

/// <summary>How far a command has come with files that it was given.</summary>
internal static class SampleProgress
{
    // Fewer are done before anybody asks.
    private const int FewestLines = 100;
    private const int Lines = 10;

    /// <summary>Does the work and shows how many samples are done: live on a terminal, else a line for each tenth of many.</summary>
    /// <param name="terminal">Where it shows.</param>
    /// <param name="all">Number of samples; null where it is not known.</param>
    /// <param name="work">Tells the number of samples that are done.</param>
    /// <param name="verb">What is done with them: the verb without the ending that it has while and after it is done.</param>
    internal static void Show(Terminal terminal, int? all, Action<Action<int>> work, string verb = "predict")
    {
        var stem = verb.TrimEnd('e');
        var doing = $"{char.ToUpperInvariant(stem[0])}{stem[1..]}ing ...";
        if (terminal.IsDrawn && (all ?? int.MaxValue) > 1)
            terminal.Drawing.Status().Start(doing, status => work(done => status.Status = $"{doing} {Text(done)}"));
        else
            work(done =>
            {
                var step = all is { } count ? Math.Max(1, count / Lines) : FewestLines;
                if ((all ?? int.MaxValue) >= FewestLines && done % step == 0)
                    terminal.Note($"{stem}ed {Text(done)}");
            });

        string Text(int done) =>
            all is { } count
                ? string.Create(CultureInfo.InvariantCulture, $"{done:N0} of {count:N0}")
                : string.Create(CultureInfo.InvariantCulture, $"{done:N0}");
    }
}
