using Spectre.Console;
using Tessera.Cli.Shell;

namespace Tessera.Cli.Rendering;

/// <summary>Lines that stay above what is drawn live.</summary>
internal static class LiveLines
{
    // What is drawn live is only written over: a shorter line would leave its end standing.
    internal static void Above(this IAnsiConsole console, string markup)
    {
        var line = Printable.Of(markup);
        console.MarkupLine(line + new string(' ', Math.Max(0, console.Profile.Width - CellWidth.Of(Markup.Remove(line)) - 1)));
    }
}
