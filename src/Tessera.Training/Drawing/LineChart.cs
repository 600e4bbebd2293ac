using System.Text;

namespace Tessera.Training.Drawing;

/// <summary>A curve.</summary>
/// <param name="Name">In the legend.</param>
/// <param name="Colour">Number of a colour of the page's palette, from 0.</param>
/// <param name="Points">x and y, by x.</param>
/// <param name="Marked">Whether each point is drawn.</param>
internal sealed record Series(string Name, int Colour, IReadOnlyList<(double X, double Y)> Points, bool Marked = false);

/// <summary>Curves over one axis, as SVG.</summary>
/// <param name="Title">Above it.</param>
/// <param name="XLabel">Below it.</param>
/// <param name="Curves">What is drawn.</param>
/// <param name="Format">A y value as text.</param>
internal sealed record LineChart(string Title, string XLabel, IReadOnlyList<Series> Curves, Func<double, string> Format)
{
    private const double Width = 460,
        Height = 270,
        Left = 56,
        Right = 14,
        Top = 12,
        Bottom = 40;

    internal string ToSvg()
    {
        var drawn = Curves.Where(c => c.Points.Count > 0).ToArray();
        if (drawn.Length == 0)
            return "";
        var points = drawn.SelectMany(c => c.Points).ToArray();
        var xTicks = Ticks.Of(0, points.Max(p => p.X), 6);
        var yTicks = Ticks.Of(points.Min(p => p.Y), points.Max(p => p.Y), 5);
        var (x0, x1) = (0.0, Math.Max(points.Max(p => p.X), 1e-9));
        var (y0, y1) = (yTicks[0], yTicks[^1]);
        double X(double x) => Left + (x - x0) / (x1 - x0) * (Width - Left - Right);
        double Y(double y) => Height - Bottom - (y - y0) / (y1 - y0) * (Height - Top - Bottom);

        var svg = new StringBuilder();
        svg.Append($"<figure><figcaption>{Html.Encode(Title)}<span class=\"legend\">");
        foreach (var curve in drawn)
            svg.Append($"<span><i class=\"b{curve.Colour}\"></i>{Html.Encode(curve.Name)}</span>");
        svg.Append($"</span></figcaption><svg viewBox=\"0 0 {Width} {Height}\" role=\"img\" aria-label=\"{Html.Encode(Title)}\">");
        foreach (var tick in yTicks)
            svg.Append(
                $"<line class=\"grid\" x1=\"{Left}\" x2=\"{Width - Right}\" y1=\"{Html.At(Y(tick))}\" y2=\"{Html.At(Y(tick))}\"/><text class=\"tick\" x=\"{Left - 8}\" y=\"{Html.At(Y(tick) + 4)}\" text-anchor=\"end\">{Html.Encode(Format(tick))}</text>"
            );
        foreach (var tick in xTicks.Where(tick => tick <= x1 + 1e-9))
            svg.Append(
                $"<text class=\"tick\" x=\"{Html.At(X(tick))}\" y=\"{Height - Bottom + 18}\" text-anchor=\"middle\">{Html.At(tick)}</text>"
            );
        svg.Append(
            $"<text class=\"axis\" x=\"{Html.At((Left + Width - Right) / 2)}\" y=\"{Height - 4}\" text-anchor=\"middle\">{Html.Encode(XLabel)}</text>"
        );
        foreach (var curve in drawn)
        {
            var path = string.Join(
                ' ',
                Thinned(curve.Points).Select((p, i) => $"{(i == 0 ? "M" : "L")}{Html.At(X(p.X))},{Html.At(Y(p.Y))}")
            );
            svg.Append($"<path class=\"line s{curve.Colour}\" d=\"{path}\"/>");
            if (!curve.Marked)
                continue;
            foreach (var (x, y) in curve.Points)
                svg.Append(
                    $"<circle class=\"f{curve.Colour}\" cx=\"{Html.At(X(x))}\" cy=\"{Html.At(Y(y))}\" r=\"3.2\"><title>{Html.At(x)}: {Html.Encode(Format(y))}</title></circle>"
                );
        }
        return svg.Append("</svg></figure>").ToString();
    }

    // More points than pixels would only make the page heavy: stretches are drawn as their mean.
    private static IEnumerable<(double X, double Y)> Thinned(IReadOnlyList<(double X, double Y)> points)
    {
        const int most = 400;
        return points.Count <= most
            ? points
            : points.Chunk((points.Count + most - 1) / most).Select(part => (part.Average(p => p.X), part.Average(p => p.Y)));
    }
}

/// <summary>Round numbers for an axis.</summary>
internal static class Ticks
{
    /// <summary>Round numbers at equal distances, the first at most <paramref name="low"/>, the last at least <paramref name="high"/>.</summary>
    internal static double[] Of(double low, double high, int about)
    {
        if (high - low < 1e-12)
            (low, high) = (low - Math.Max(Math.Abs(low) * 0.1, 1e-6), high + Math.Max(Math.Abs(high) * 0.1, 1e-6));
        var rough = (high - low) / about;
        var power = Math.Pow(10, Math.Floor(Math.Log10(rough)));
        var step =
            power
            * (rough / power) switch
            {
                <= 1.2 => 1,
                <= 2.5 => 2,
                <= 6 => 5,
                _ => 10,
            };
        var first = (long)Math.Floor(low / step + 1e-9);
        var last = (long)Math.Ceiling(high / step - 1e-9);
        return [.. Enumerable.Range(0, (int)(last - first + 1)).Select(i => (first + i) * step)];
    }
}
