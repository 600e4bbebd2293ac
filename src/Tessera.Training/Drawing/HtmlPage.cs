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
}
