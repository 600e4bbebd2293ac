using System.Text;

namespace Tessera.Training;

/// <summary>Accuracy of classes and calibration as bars, as SVG.</summary>
internal static class BarCharts
{
    private const int MostClasses = 60;

    /// <summary>Recall of each class, the lowest first; of many classes only the lowest.</summary>
    internal static string PerClass(Evaluation evaluation, IReadOnlyList<string> classes)
    {
        var rows = evaluation
            .PerClass.Select((recall, i) => (Name: classes[i], Recall: recall))
            .Where(row => row.Recall is not null)
            .OrderBy(row => row.Recall)
            .Take(MostClasses)
            .ToArray();
        const double row = 24,
            left = 132,
            width = 460,
            right = 62;
        var svg = new StringBuilder(
            $"<svg viewBox=\"0 0 {width} {Html.At(rows.Length * row + 6)}\" role=\"img\" aria-label=\"Accuracy per class\">"
        );
        foreach (var (i, (name, recall)) in rows.Index())
        {
            var (y, length) = (i * row + 4, recall!.Value * (width - left - right));
            svg.Append(
                $"<text class=\"tick\" x=\"{left - 8}\" y=\"{Html.At(y + 14)}\" text-anchor=\"end\">{Html.Encode(Html.Short(name, 20))}</text>"
            );
            svg.Append(
                $"<rect class=\"track\" x=\"{left}\" y=\"{Html.At(y + 2)}\" width=\"{width - left - right}\" height=\"{row - 8}\" rx=\"3\"/>"
            );
            svg.Append(
                $"<rect class=\"f0\" x=\"{left}\" y=\"{Html.At(y + 2)}\" width=\"{Html.At(length)}\" height=\"{row - 8}\" rx=\"3\"/>"
            );
            svg.Append($"<text class=\"value\" x=\"{width - right + 8}\" y=\"{Html.At(y + 14)}\">{Html.Percent(recall.Value, 1)}</text>");
        }
        return svg.Append("</svg>").ToString();
    }

    /// <summary>Accuracy over confidence; on the diagonal the model is as sure as it is right. Below, how many samples a bin holds.</summary>
    internal static string Calibration(Evaluation evaluation)
    {
        const double width = 460,
            left = 64,
            right = 26,
            top = 10,
            plot = 240,
            counts = 50,
            gap = 26;
        double X(double share) => left + share * (width - left - right);
        double Y(double share) => top + (1 - share) * plot;
        var most = Math.Max(1, evaluation.Calibration.Max(bin => bin.Count));
        var svg = new StringBuilder(
            $"<svg viewBox=\"0 0 {width} {Html.At(top + plot + gap + counts + 18)}\" role=\"img\" aria-label=\"Calibration\">"
        );
        foreach (var tick in (double[])[0, 0.25, 0.5, 0.75, 1])
        {
            svg.Append(
                $"<line class=\"grid\" x1=\"{Html.At(X(0))}\" x2=\"{Html.At(X(1))}\" y1=\"{Html.At(Y(tick))}\" y2=\"{Html.At(Y(tick))}\"/>"
            );
            svg.Append(
                $"<text class=\"tick\" x=\"{left - 8}\" y=\"{Html.At(Y(tick) + 4)}\" text-anchor=\"end\">{Html.Percent(tick, 0)}</text>"
            );
            svg.Append(
                $"<text class=\"tick\" x=\"{Html.At(X(tick))}\" y=\"{Html.At(top + plot + 18)}\" text-anchor=\"middle\">{Html.Percent(tick, 0)}</text>"
            );
        }
        foreach (var bin in evaluation.Calibration.Where(bin => bin.Count > 0))
        {
            var (x, span) = (X(bin.Low) + 1, X(bin.High) - X(bin.Low) - 2);
            var height = bin.Count / (double)most * counts;
            svg.Append(
                $"<g><title>confidence {Html.Percent(bin.Confidence, 1)}, accuracy {Html.Percent(bin.Accuracy, 1)}, {bin.Count} samples</title>"
            );
            svg.Append(
                $"<rect class=\"f0\" x=\"{Html.At(x)}\" y=\"{Html.At(Y(bin.Accuracy))}\" width=\"{Html.At(span)}\" height=\"{Html.At(bin.Accuracy * plot)}\" rx=\"2\"/>"
            );
            svg.Append(
                $"<rect class=\"gap\" x=\"{Html.At(x)}\" y=\"{Html.At(Y(Math.Max(bin.Accuracy, bin.Confidence)))}\" width=\"{Html.At(span)}\" height=\"{Html.At(Math.Abs(bin.Accuracy - bin.Confidence) * plot)}\"/>"
            );
            svg.Append(
                $"<rect class=\"f4\" x=\"{Html.At(x)}\" y=\"{Html.At(top + plot + gap + counts - height)}\" width=\"{Html.At(span)}\" height=\"{Html.At(height)}\" rx=\"2\"/></g>"
            );
        }
        svg.Append(
            $"<line class=\"diagonal\" x1=\"{Html.At(X(0))}\" y1=\"{Html.At(Y(0))}\" x2=\"{Html.At(X(1))}\" y2=\"{Html.At(Y(1))}\"/>"
        );
        svg.Append($"<text class=\"tick\" x=\"{left - 8}\" y=\"{Html.At(top + plot + gap + counts)}\" text-anchor=\"end\">samples</text>");
        svg.Append(
            $"<text class=\"axis\" x=\"{Html.At(X(0.5))}\" y=\"{Html.At(top + plot + gap + counts + 14)}\" text-anchor=\"middle\">confidence</text>"
        );
        return svg.Append("</svg>").ToString();
    }
}
