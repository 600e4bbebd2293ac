using System.Globalization;
using Tessera.Training.Drawing;

namespace Tessera.Search.Judging;

/// <summary>Scores from scratch over those of the supernet, as SVG.</summary>
/// <param name="Score">Name of the score from scratch.</param>
/// <param name="Networks">Those with both scores.</param>
internal sealed record ScorePlot(string Score, IReadOnlyList<JudgedNetwork> Networks)
{
    private const double Width = 560,
        Height = 380,
        Left = 62,
        Right = 20,
        Top = 14,
        Bottom = 44;

    internal string ToSvg()
    {
        if (Networks.Count < 2)
            return "";
        var xTicks = Ticks.Of(Networks.Min(one => one.SupernetScore!.Value), Networks.Max(one => one.SupernetScore!.Value), 6);
        var yTicks = Ticks.Of(Networks.Min(one => one.Score), Networks.Max(one => one.Score), 5);
        double X(double x) => Left + (x - xTicks[0]) / (xTicks[^1] - xTicks[0]) * (Width - Left - Right);
        double Y(double y) => Height - Bottom - (y - yTicks[0]) / (yTicks[^1] - yTicks[0]) * (Height - Top - Bottom);
        return $"""
            <figure style="max-width:720px"><figcaption>Supernet and training from scratch</figcaption>
            <svg viewBox="0 0 {Width} {Height}" role="img" aria-label="Supernet and training from scratch">
            {Svg.Lines(yTicks, YTick)}
            {Svg.Lines(xTicks, XTick)}
            <text class="axis" x="{Html.At((Left + Width - Right) / 2)}" y="{Height - 6}" text-anchor="middle">score by the supernet</text>
            {Svg.Lines(Networks, Circle)}
            </svg></figure>
            """;

        string YTick(double tick) =>
            $"""
                <line class="grid" x1="{Left}" x2="{Width - Right}" y1="{Html.At(Y(tick))}" y2="{Html.At(Y(tick))}"/>
                <text class="tick" x="{Left - 8}" y="{Html.At(Y(tick) + 4)}" text-anchor="end">{Number(tick)}</text>
                """;

        string XTick(double tick) =>
            $"""<text class="tick" x="{Html.At(X(tick))}" y="{Height - Bottom + 18}" text-anchor="middle">{Number(tick)}</text>""";

        string Circle(JudgedNetwork one) =>
            $"""
                <circle class="f{(int)one.Role}" cx="{Html.At(X(one.SupernetScore!.Value))}" cy="{Html.At(Y(one.Score))}" r="4.5">
                <title>{Html.Encode(one.Name)}: supernet {Number(one.SupernetScore.Value)}, {Html.Encode(Score)} {Number(
                    one.Score
                )}</title></circle>
                """;
    }

    private static string Number(double value) => value.ToString("0.0###", CultureInfo.InvariantCulture);
}
