using System.Text;

namespace Tessera.Training.Drawing;

/// <summary>A named point.</summary>
/// <param name="Name">Beside it.</param>
/// <param name="Colour">Number of a colour of the page's palette.</param>
/// <param name="X">Above 0.</param>
/// <param name="Y">Any.</param>
internal sealed record Dot(string Name, int Colour, double X, double Y);

/// <summary>Points over a logarithmic axis with the front of those that none excels in both coordinates, as SVG.</summary>
/// <param name="Title">Above it.</param>
/// <param name="XLabel">Below it.</param>
/// <param name="Dots">What is drawn.</param>
/// <param name="LowX">Whether x is the better the lower.</param>
/// <param name="FormatX">An x value as text.</param>
/// <param name="FormatY">A y value as text.</param>
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

        var svg = new StringBuilder(
            $"<figure style=\"max-width:780px\"><figcaption>{Html.Encode(Title)}</figcaption><svg viewBox=\"0 0 {Width} {Height}\" role=\"img\" aria-label=\"{Html.Encode(Title)}\">"
        );
        foreach (var tick in yTicks)
            svg.Append(
                $"<line class=\"grid\" x1=\"{Left}\" x2=\"{Width - Right}\" y1=\"{Html.At(Y(tick))}\" y2=\"{Html.At(Y(tick))}\"/><text class=\"tick\" x=\"{Left - 8}\" y=\"{Html.At(Y(tick) + 4)}\" text-anchor=\"end\">{Html.Encode(FormatY(tick))}</text>"
            );
        foreach (var tick in LogTicks(x0, x1))
            svg.Append(
                $"<line class=\"grid\" x1=\"{Html.At(X(tick))}\" x2=\"{Html.At(X(tick))}\" y1=\"{Top}\" y2=\"{Height - Bottom}\"/><text class=\"tick\" x=\"{Html.At(X(tick))}\" y=\"{Height - Bottom + 18}\" text-anchor=\"middle\">{Html.Encode(FormatX(tick))}</text>"
            );
        svg.Append(
            $"<text class=\"axis\" x=\"{Html.At((Left + Width - Right) / 2)}\" y=\"{Height - 6}\" text-anchor=\"middle\">{Html.Encode(XLabel)}</text>"
        );
        var front = ParetoFront.Of([.. Dots.Select(d => (d.X, d.Y))], LowX);
        if (front.Count > 1)
            svg.Append(
                $"<path class=\"front\" d=\"{string.Join(' ', front.Select((i, k) => $"{(k == 0 ? "M" : "L")}{Html.At(X(Dots[i].X))},{Html.At(Y(Dots[i].Y))}"))}\"/>"
            );
        foreach (var (i, dot) in Dots.Index())
            svg.Append(
                $"<circle class=\"f{dot.Colour}\" cx=\"{Html.At(X(dot.X))}\" cy=\"{Html.At(Y(dot.Y))}\" r=\"{(front.Contains(i) ? "5" : "3.6")}\"><title>{Html.Encode(dot.Name)}: {Html.Encode(FormatX(dot.X))}, {Html.Encode(FormatY(dot.Y))}</title></circle>"
            );
        // Names of the front come first: where there is no room, others go without.
        var taken = Dots.Select(d => (Left: X(d.X) - 4, Top: Y(d.Y) - 4, Right: X(d.X) + 4, Bottom: Y(d.Y) + 4)).ToList();
        foreach (var i in front.Concat(Enumerable.Range(0, Dots.Count).Except(front)))
        {
            var (dot, length) = (Dots[i], Letter * Dots[i].Name.Length);
            var (x, y) = (X(dot.X), Y(dot.Y));
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
                svg.Append($"<text class=\"name\" x=\"{Html.At(left)}\" y=\"{Html.At(baseline)}\">{Html.Encode(dot.Name)}</text>");
                break;
            }
        }
        return svg.Append("</svg></figure>").ToString();
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
