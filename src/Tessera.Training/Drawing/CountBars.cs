using System.Text;

namespace Tessera.Training.Drawing;

/// <summary>Counts of one class.</summary>
/// <param name="Name">Name of the class.</param>
/// <param name="Counts">A count per series; null where the series does not have the class.</param>
internal sealed record CountRow(string Name, IReadOnlyList<int?> Counts);

/// <summary>Counts per class as bars, a bar for each of several series, as SVG.</summary>
/// <param name="Title">Title above the chart.</param>
/// <param name="Series">Name of each series, in the order of the palette.</param>
/// <param name="Rows">The classes, from top to bottom.</param>
internal sealed record CountBars(string Title, IReadOnlyList<string> Series, IReadOnlyList<CountRow> Rows)
{
    private const int Colors = 4;
    private const double Bar = 9,
        Gap = 9,
        Left = 150,
        Width = 560,
        Right = 60;

    internal string ToSvg()
    {
        // Each series has a scale of its own: test splits are small, and their balance is to be seen all the same.
        double[] most = [.. Series.Select((_, s) => (double)Math.Max(1, Rows.Max(row => row.Counts[s] ?? 0)))];
        var height = Series.Count * Bar + Gap;
        var svg = new StringBuilder(
            $"""
            <figure style="max-width:640px"><figcaption>{Html.Encode(Title)}{Legend()}</figcaption>
            <svg viewBox="0 0 {Width} {Html.At(Rows.Count * height + 6)}" role="img" aria-label="{Html.Encode(Title)}">
            """
        );
        foreach (var (i, row) in Rows.Index())
        {
            var (top, name) = (i * height + 4, Html.Encode(Html.Short(row.Name, 22)));
            svg.Append($"""<text class="tick" x="{Left - 8}" y="{Html.At(top + height / 2)}" text-anchor="end">{name}</text>""");
            foreach (var (s, count) in row.Counts.Index())
                svg.Append(Of(top + s * Bar, s, count, most[s]));
        }
        return svg.Append("</svg></figure>").ToString();
    }

    private static string Of(double y, int series, int? count, double most) =>
        $"""
            <rect class="track" x="{Left}" y="{Html.At(y)}" width="{Width - Left - Right}" height="{Bar - 1.5}" rx="2"/>
            <rect class="f{series % Colors}" x="{Left}" y="{Html.At(y)}" width="{Html.At(
                (count ?? 0) / most * (Width - Left - Right)
            )}" height="{Bar - 1.5}" rx="2"/>
            <text class="value" style="font-size:9px" x="{Width - Right + 8}" y="{Html.At(y + 7.5)}">{(
                count is { } known ? Html.Integer(known) : "not listed"
            )}</text>
            """;

    private string Legend() =>
        Series.Count < 2
            ? ""
            : $"""<span class="legend">{string.Concat(
                Series.Select((name, s) => $"""<span><i class="b{s % Colors}"></i>{Html.Encode(name)}</span>""")
            )}</span>""";
}
