namespace Tessera.Training.Drawing;

/// <summary>The frame of all pages, which are self-contained.</summary>
internal static class HtmlPage
{
    /// <summary>A page.</summary>
    /// <param name="kind">What kind of page it is, in small letters over the title.</param>
    /// <param name="title">Its title.</param>
    /// <param name="body">Content below the title, as HTML.</param>
    internal static string Of(string kind, string title, string body) =>
        $"""
            <!doctype html>
            <html lang="en">
            <head>
            <meta charset="utf-8">
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <title>{Html.Encode(title)}</title>
            <style>{ReportStyle.Css}</style>
            </head>
            <body>
            <header><p class="kicker">Tessera · {Html.Encode(kind)}</p><h1>{Html.Encode(title)}</h1></header>
            <main>
            {body}
            </main>
            </body>
            </html>

            """;

    /// <summary>A table of names and their values.</summary>
    internal static string Facts(IEnumerable<(string Name, string Value)> facts) =>
        $"""
            <table class="facts">
            {Svg.Lines(facts, fact => $"<tr><th>{Html.Encode(fact.Name)}</th><td>{Html.Encode(fact.Value)}</td></tr>")}
            </table>
            """;

    /// <summary>A table of text.</summary>
    internal static string Table(MetricTable table)
    {
        var head = string.Concat(table.Columns.Select((column, i) => Cell("th", column.Title, i)));
        var rows = table.Rows.Select(row => $"<tr>{string.Concat(row.Select((cell, i) => Cell("td", cell, i)))}</tr>");
        return $"<table><tr>{head}</tr>{string.Concat(rows)}</table>";

        string Cell(string tag, string text, int column) =>
            table.Columns[column].Numeric
                ? $"""<{tag} class="number">{Html.Encode(text)}</{tag}>"""
                : $"<{tag}>{Html.Encode(text)}</{tag}>";
    }
}
