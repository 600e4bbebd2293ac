using Spectre.Console;
using Spectre.Console.Rendering;
using Tessera.Cli.Shell;

namespace Tessera.Cli.Rendering;

/// <summary>A column of a <see cref="TextTable"/>.</summary>
/// <param name="Title">Its head.</param>
/// <param name="Right">Whether it is set flush right, as numbers are.</param>
internal readonly record struct Column(string Title, bool Right = false);

/// <summary>Rows of text: a table with borders on a terminal, aligned columns in a pipe, fields between tabs when quiet.</summary>
internal sealed class TextTable(params Column[] columns)
{
    private readonly List<string[]> rows = [];

    internal void Add(params string[] cells)
    {
        if (cells.Length != columns.Length)
            throw new ArgumentException($"{cells.Length} cells for {columns.Length} columns");
        rows.Add([.. cells.Select(Printable.Of)]);
    }

    internal void Show(Terminal terminal)
    {
        if (terminal.IsDrawn)
            terminal.Drawing.Write(Draw());
        else if (terminal.Quiet)
            foreach (var row in rows)
                terminal.Row(row);
        else
            WritePlain(terminal.Text);
    }

    internal IRenderable Draw()
    {
        var table = new Table().Border(TableBorder.Rounded).BorderColor(Color.Grey);
        foreach (var column in columns)
            table.AddColumn(
                new TableColumn(new Text(Printable.Of(column.Title), new Style(decoration: Decoration.Bold)))
                {
                    Alignment = column.Right ? Justify.Right : Justify.Left,
                    NoWrap = column.Right,
                }
            );
        foreach (var row in rows)
            table.AddRow(row.Select(cell => new Text(cell)));
        return table;
    }

    internal void WritePlain(TextWriter to)
    {
        string[] titles = [.. columns.Select(column => Printable.Of(column.Title))];
        int[] widths = [.. titles.Select((title, i) => rows.Select(row => CellWidth.Of(row[i])).Append(CellWidth.Of(title)).Max())];
        Write(titles);
        foreach (var row in rows)
            Write(row);

        void Write(string[] cells) => to.WriteLine(string.Join("  ", cells.Select((cell, i) => Padded(cell, i))).TrimEnd());

        string Padded(string cell, int column)
        {
            var padding = new string(' ', widths[column] - CellWidth.Of(cell));
            return columns[column].Right ? padding + cell : cell + padding;
        }
    }
}
