namespace Tessera.Training.Drawing;

/// <summary>A curve.</summary>
/// <param name="Name">Its name in the legend.</param>
/// <param name="Color">Number of its colour in the page's palette, from 0.</param>
/// <param name="Points">x and y, in ascending order of x.</param>
/// <param name="Marked">Whether each point is marked.</param>
internal sealed record Series(string Name, int Color, IReadOnlyList<(double X, double Y)> Points, bool Marked = false);

/// <summary>Curves over one axis, as SVG.</summary>
/// <param name="Title">Title above the chart.</param>
/// <param name="XLabel">Label of the x axis.</param>
/// <param name="Curves">The curves.</param>
/// <param name="Format">Formats a y value.</param>
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

        var xs = xTicks.Where(tick => tick <= x1 + 1e-9);
        return $"""
            <figure><figcaption>{Html.Encode(Title)}<span class="legend">{string.Concat(drawn.Select(LegendEntry))}</span></figcaption>
            <svg viewBox="0 0 {Width} {Height}" role="img" aria-label="{Html.Encode(Title)}">
            {Svg.Lines(yTicks, YTick)}
            {Svg.Lines(xs, XTick)}
            <text class="axis" x="{Html.At((Left + Width - Right) / 2)}" y="{Height - 4}" text-anchor="middle">{Html.Encode(XLabel)}</text>
            {Svg.Lines(drawn, Curve)}
            </svg></figure>
            """;

        string YTick(double tick) =>
            $"""
                <line class="grid" x1="{Left}" x2="{Width - Right}" y1="{Html.At(Y(tick))}" y2="{Html.At(Y(tick))}"/>
                <text class="tick" x="{Left - 8}" y="{Html.At(Y(tick) + 4)}" text-anchor="end">{Html.Encode(Format(tick))}</text>
                """;

        string XTick(double tick) =>
            $"""<text class="tick" x="{Html.At(X(tick))}" y="{Height - Bottom + 18}" text-anchor="middle">{Html.At(tick)}</text>""";

        string Curve(Series curve)
        {
            var line = Svg.Polyline(Thin(curve.Points).Select(p => (X(p.X), Y(p.Y))));
            var marks = curve.Marked ? Svg.Lines(curve.Points, point => Mark(curve, point)) : "";
            return $"""<path class="line s{curve.Color}" d="{line}"/>{marks}""";
        }

        string Mark(Series curve, (double X, double Y) point) =>
            $"""
                <circle class="f{curve.Color}" cx="{Html.At(X(point.X))}" cy="{Html.At(Y(point.Y))}" r="3.2">
                <title>{Html.At(point.X)}: {Html.Encode(Format(point.Y))}</title></circle>
                """;
    }

    private static string LegendEntry(Series curve) => $"""<span><i class="b{curve.Color}"></i>{Html.Encode(curve.Name)}</span>""";

    // More points than pixels would only make the page heavy: a stretch of points is drawn as its mean.
    private static IEnumerable<(double X, double Y)> Thin(IReadOnlyList<(double X, double Y)> points)
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
    /// <summary>
    /// Round numbers at equal distances, the first at most <paramref name="low"/>, the last at least <paramref name="high"/>.
    /// </summary>
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
