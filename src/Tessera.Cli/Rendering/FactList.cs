using Spectre.Console;
using Tessera.Cli.Shell;

namespace Tessera.Cli.Rendering;

/// <summary>Facts with their names in front: two columns, the second of which wraps; fields between tabs when quiet.</summary>
internal static class FactList
{
    private const int Width = 12;

    internal static void Show(IEnumerable<(string Name, string Value)> facts, Terminal terminal)
    {
        foreach (var (name, value) in facts)
        {
            if (terminal.IsDrawn)
                terminal.Drawing.Write(Row(name, value));
            else
                terminal.Text.WriteLine(terminal.Quiet ? $"{name}\t{value}" : $"{name, -Width}{value}");
        }
    }

    /// <summary>A fact as it is drawn.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="value">What it says.</param>
    /// <param name="width">Columns of the name.</param>
    internal static Grid Row(string name, string value, int width = Width) =>
        new Grid()
            .AddColumn(
                new GridColumn
                {
                    Width = width,
                    Padding = new(0, 0, 0, 0),
                    NoWrap = true,
                }
            )
            .AddColumn(new GridColumn { Padding = new(0, 0, 0, 0) })
            .AddRow(new Text(Printable.Of(name), new Style(Color.Grey)), new Text(Printable.Of(value)));
}
