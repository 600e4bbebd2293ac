using System.Text;
using Tessera.Training.Drawing;

namespace Tessera.Training.Tasks.Classification;

/// <summary>
/// Accuracy over confidence as SVG; on the diagonal confidence equals accuracy. The bars below show the number of samples per bin.
/// </summary>
internal static class CalibrationChart
{
    private const double Width = 460,
        Left = 64,
        Right = 26,
        Top = 10,
        Plot = 240,
        Counts = 50,
        Gap = 26;

    internal static string ToSvg(IReadOnlyList<CalibrationBin> bins)
    {
        var most = Math.Max(1, bins.Max(bin => bin.Count));
        var svg = new StringBuilder(
            $"""<svg viewBox="0 0 {Width} {Html.At(Top + Plot + Gap + Counts + 18)}" role="img" aria-label="Calibration">"""
        );
        foreach (var tick in (double[])[0, 0.25, 0.5, 0.75, 1])
            svg.Append(Tick(tick));
        foreach (var bin in bins.Where(bin => bin.Count > 0))
            svg.Append(Bin(bin, most));
        var floor = Top + Plot + Gap + Counts;
        return svg.Append(
                $"""
                <line class="diagonal" x1="{Html.At(X(0))}" y1="{Html.At(Y(0))}" x2="{Html.At(X(1))}" y2="{Html.At(Y(1))}"/>
                <text class="tick" x="{Left - 8}" y="{Html.At(floor)}" text-anchor="end">samples</text>
                <text class="axis" x="{Html.At(X(0.5))}" y="{Html.At(floor + 14)}" text-anchor="middle">confidence</text>
                </svg>
                """
            )
            .ToString();
    }

    private static double X(double share) => Left + share * (Width - Left - Right);

    private static double Y(double share) => Top + (1 - share) * Plot;

    private static string Tick(double tick) =>
        $"""
            <line class="grid" x1="{Html.At(X(0))}" x2="{Html.At(X(1))}" y1="{Html.At(Y(tick))}" y2="{Html.At(Y(tick))}"/>
            <text class="tick" x="{Left - 8}" y="{Html.At(Y(tick) + 4)}" text-anchor="end">{Html.Percent(tick, 0)}</text>
            <text class="tick" x="{Html.At(X(tick))}" y="{Html.At(Top + Plot + 18)}" text-anchor="middle">{Html.Percent(tick, 0)}</text>
            """;

    private static string Bin(CalibrationBin bin, int most)
    {
        var (x, span) = (Html.At(X(bin.Low) + 1), Html.At(X(bin.High) - X(bin.Low) - 2));
        var height = bin.Count / (double)most * Counts;
        var top = Html.At(Top + Plot + Gap + Counts - height);
        var upper = Html.At(Y(Math.Max(bin.Accuracy, bin.Confidence)));
        var gap = Html.At(Math.Abs(bin.Accuracy - bin.Confidence) * Plot);
        return $"""
            <g><title>confidence {Html.Percent(bin.Confidence, 1)}, accuracy {Html.Percent(bin.Accuracy, 1)}, {bin.Count} samples</title>
            <rect class="f0" x="{x}" y="{Html.At(Y(bin.Accuracy))}" width="{span}" height="{Html.At(bin.Accuracy * Plot)}" rx="2"/>
            <rect class="gap" x="{x}" y="{upper}" width="{span}" height="{gap}"/>
            <rect class="f4" x="{x}" y="{top}" width="{span}" height="{Html.At(height)}" rx="2"/></g>
            """;
    }
}
