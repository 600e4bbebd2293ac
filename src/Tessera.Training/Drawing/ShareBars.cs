using System.Text;

namespace Tessera.Training.Drawing;

/// <summary>A share for each class as bars, as SVG.</summary>
internal static class ShareBars
{
    private const int MostClasses = 60;
    private const double Row = 24,
        Left = 132,
        Width = 460,
        Right = 62;

    /// <summary>The classes by their share, the lowest first; of many classes only the lowest.</summary>
    /// <param name="shares">Between 0 and 1; null for a class that is left out.</param>
    /// <param name="classes">Name per class.</param>
    /// <param name="label">What the chart shows.</param>
    internal static string ToSvg(IReadOnlyList<double?> shares, IReadOnlyList<string> classes, string label)
    {
        var rows = shares
            .Select((share, i) => (Name: classes[i], Share: share))
            .Where(row => row.Share is not null)
            .OrderBy(row => row.Share)
            .Take(MostClasses)
            .ToArray();
        var svg = new StringBuilder(
            $"""<svg viewBox="0 0 {Width} {Html.At(rows.Length * Row + 6)}" role="img" aria-label="{Html.Encode(label)}">"""
        );
        foreach (var (i, (name, share)) in rows.Index())
            svg.Append(Bar(i * Row + 4, name, share!.Value));
        return svg.Append("</svg>").ToString();
    }

    private static string Bar(double y, string name, double share) =>
        $"""
            <text class="tick" x="{Left - 8}" y="{Html.At(y + 14)}" text-anchor="end">{Html.Encode(Html.Short(name, 20))}</text>
            <rect class="track" x="{Left}" y="{Html.At(y + 2)}" width="{Width - Left - Right}" height="{Row - 8}" rx="3"/>
            <rect class="f0" x="{Left}" y="{Html.At(y + 2)}" width="{Html.At(share * (Width - Left - Right))}" height="{Row - 8}" rx="3"/>
            <text class="value" x="{Width - Right + 8}" y="{Html.At(y + 14)}">{Html.Percent(share, 1)}</text>
            """;
}
