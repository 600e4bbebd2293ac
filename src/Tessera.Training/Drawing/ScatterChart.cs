namespace Tessera.Training.Drawing;

/// <summary>A named point.</summary>
/// <param name="Name">Name beside the point.</param>
/// <param name="Color">Number of its colour in the page's palette.</param>
/// <param name="X">x, above 0.</param>
/// <param name="Y">y, any number.</param>
internal sealed record Dot(string Name, int Color, double X, double Y)
{
    /// <summary>Whether it is drawn as a star: a point for comparison, which is no part of the front.</summary>
    public bool IsStar { get; init; }

    /// <summary>Whether its name stands beside it where there is room, or is only told to the pointer.</summary>
    public bool IsNamed { get; init; } = true;
}

/// <summary>Points over a logarithmic axis with their Pareto front, as SVG.</summary>
/// <param name="Title">Title above the chart.</param>
/// <param name="XLabel">Label of the x axis.</param>
/// <param name="Dots">The points.</param>
/// <param name="LowX">Whether a lower x is better.</param>
/// <param name="FormatX">Formats an x value.</param>
/// <param name="FormatY">Formats a y value.</param>
internal sealed record ScatterChart(
    string Title,
    string XLabel,
    IReadOnlyList<Dot> Dots,
    bool LowX,
    Func<double, string> FormatX,
    Func<double, string> FormatY
)
{
    private const double Width = 620,
        Height = 400,
        Left = 60,
        Right = 20,
        Top = 16,
        Bottom = 44,
        Letter = 6.3,
        Line = 12;

    internal string ToSvg()
    {
        if (Dots.Count == 0)
            return "";
        var yTicks = Ticks.Of(Dots.Min(d => d.Y), Dots.Max(d => d.Y), 6);
        var (x0, x1) = (Math.Log10(Dots.Min(d => d.X)), Math.Log10(Dots.Max(d => d.X)));
        // Some air on both sides; a single value still gets an axis.
        var air = Math.Max(0.06 * (x1 - x0), 0.05);
        (x0, x1) = (x0 - air, x1 + 2 * air);
        var (y0, y1) = (yTicks[0], yTicks[^1]);
        double X(double x) => Left + (Math.Log10(x) - x0) / (x1 - x0) * (Width - Left - Right);
        double Y(double y) => Height - Bottom - (y - y0) / (y1 - y0) * (Height - Top - Bottom);

        int[] circles = [.. Dots.Index().Where(dot => !dot.Item.IsStar).Select(dot => dot.Index)];
        int[] front = [.. ParetoFront.Of([.. circles.Select(i => (Dots[i].X, Dots[i].Y))], LowX).Select(i => circles[i])];
        var frontLine = Svg.Polyline(front.Select(i => (X(Dots[i].X), Y(Dots[i].Y))));
        return $"""
            <figure style="max-width:780px"><figcaption>{Html.Encode(Title)}</figcaption>
            <svg viewBox="0 0 {Width} {Height}" role="img" aria-label="{Html.Encode(Title)}">
            {Svg.Lines(yTicks, YTick)}
            {Svg.Lines(LogTicks(x0, x1), XTick)}
            <text class="axis" x="{Html.At((Left + Width - Right) / 2)}" y="{Height - 6}" text-anchor="middle">{Html.Encode(XLabel)}</text>
            {(front.Length > 1 ? $"""<path class="front" d="{frontLine}"/>""" : "")}
            {Svg.Lines(Dots.Index(), dot => Circle(dot.Item, front.Contains(dot.Index)))}
            {Svg.Lines(PlaceNames(front, X, Y), Name)}
            </svg></figure>
            """;

        string YTick(double tick) =>
            $"""
                <line class="grid" x1="{Left}" x2="{Width - Right}" y1="{Html.At(Y(tick))}" y2="{Html.At(Y(tick))}"/>
                <text class="tick" x="{Left - 8}" y="{Html.At(Y(tick) + 4)}" text-anchor="end">{Html.Encode(FormatY(tick))}</text>
                """;

        string XTick(double tick)
        {
            var x = Html.At(X(tick));
            return $"""
                <line class="grid" x1="{x}" x2="{x}" y1="{Top}" y2="{Height - Bottom}"/>
                <text class="tick" x="{x}" y="{Height - Bottom + 18}" text-anchor="middle">{Html.Encode(FormatX(tick))}</text>
                """;
        }

        string Circle(Dot dot, bool inFront)
        {
            var (x, y) = (X(dot.X), Y(dot.Y));
            var title = $"<title>{Html.Encode(dot.Name)}: {Html.Encode(FormatX(dot.X))}, {Html.Encode(FormatY(dot.Y))}</title>";
            return dot.IsStar
                ? $"""<path class="f{dot.Color}" d="{Star(x, y)} Z">{title}</path>"""
                : $"""
                    <circle class="f{dot.Color}" cx="{Html.At(x)}" cy="{Html.At(y)}" r="{(inFront ? "5" : "3.6")}">
                    {title}</circle>
                    """;
        }
    }

    // Five points, the first upwards.
    private static string Star(double x, double y) =>
        Svg.Polyline(
            Enumerable
                .Range(0, 10)
                .Select(i => (Angle: Math.PI * i / 5, Radius: i % 2 == 0 ? 8.0 : 3.4))
                .Select(corner => (x + corner.Radius * Math.Sin(corner.Angle), y - corner.Radius * Math.Cos(corner.Angle)))
        );

    private static string Name((double Left, double Baseline, string Text) label) =>
        $"""<text class="name" x="{Html.At(label.Left)}" y="{Html.At(label.Baseline)}">{Html.Encode(label.Text)}</text>""";

    // Names of the front come first; a name that finds no room is left out.
    private IEnumerable<(double Left, double Baseline, string Text)> PlaceNames(
        IReadOnlyList<int> front,
        Func<double, double> toX,
        Func<double, double> toY
    )
    {
        var taken = Dots.Select(d => (Left: toX(d.X) - 4, Top: toY(d.Y) - 4, Right: toX(d.X) + 4, Bottom: toY(d.Y) + 4)).ToList();
        foreach (var i in front.Concat(Enumerable.Range(0, Dots.Count).Except(front)).Where(i => Dots[i].IsNamed))
        {
            var (dot, length) = (Dots[i], Letter * Dots[i].Name.Length);
            var (x, y) = (toX(dot.X), toY(dot.Y));
            foreach (
                var (left, baseline) in new[]
                {
                    (x + 7, y + 4),
                    (x - 7 - length, y + 4),
                    (x - length / 2, y - 8),
                    (x - length / 2, y + 16),
                    (x + 6, y - 6),
                    (x + 6, y + 14),
                    (x - 6 - length, y - 6),
                    (x - 6 - length, y + 14),
                }
            )
            {
                var box = (Left: left, Top: baseline - Line + 3, Right: left + length, Bottom: baseline + 3);
                if (box.Left < Left || box.Right > Width || box.Top < 0 || box.Bottom > Height - Bottom + 8)
                    continue;
                if (
                    taken
                        .Where((_, k) => k != i)
                        .Any(other => box.Left < other.Right && other.Left < box.Right && box.Top < other.Bottom && other.Top < box.Bottom)
                )
                    continue;
                taken.Add(box);
                yield return (left, baseline, dot.Name);
                break;
            }
        }
    }

    // 1, 2 and 5 in every decade; only whole decades where there are many.
    private static IEnumerable<double> LogTicks(double low, double high)
    {
        double[] steps = high - low > 3 ? [1] : [1, 2, 5];
        for (var decade = (int)Math.Floor(low); decade <= high; decade++)
            foreach (var step in steps)
                if (Math.Log10(step) + decade is var at && at >= low && at <= high)
                    yield return step * Math.Pow(10, decade);
    }
}
