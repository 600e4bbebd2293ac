using System.Text;
using Tessera.Training.Drawing;

namespace Tessera.Training.Tasks.Classification;

/// <summary>The confusion matrix as SVG: rows are true classes, columns predictions, shades are shares of the row.</summary>
internal static class ConfusionChart
{
    /// <summary>Beyond so many classes a matrix cannot be read: the pairs that are confused most often are listed alone.</summary>
    internal const int MostClasses = 120;

    private const int NumberedClasses = 20;

    internal static string ToSvg(IReadOnlyList<IReadOnlyList<int>> confusion, IReadOnlyList<string> classes)
    {
        var count = classes.Count;
        if (count > MostClasses)
            return "";
        var numbered = count <= NumberedClasses;
        var cell = numbered ? Math.Clamp(460.0 / count, 24, 44) : Math.Max(4, 520.0 / count);
        var font = Math.Clamp(cell * 0.8, 3.5, 12);
        var left = Math.Min(classes.Max(name => Math.Min(name.Length, 18)), 18) * font * 0.58 + 14;
        var (top, size) = (left * 0.72 + 4, cell * count);
        var svg = new StringBuilder(
            $"<svg viewBox=\"0 0 {Html.At(left + size + left * 0.45)} {Html.At(top + size + 4)}\" role=\"img\" aria-label=\"Confusion matrix\" class=\"confusion\">"
        );
        for (var i = 0; i < count; i++)
        {
            var name = Html.Encode(Html.Short(classes[i], 18));
            var middle = (i + 0.5) * cell;
            svg.Append(
                $"<text class=\"tick\" style=\"font-size:{Html.At(font)}px\" x=\"{Html.At(left - 6)}\" y=\"{Html.At(top + middle + font * 0.35)}\" text-anchor=\"end\">{name}</text>"
            );
            svg.Append(
                $"<text class=\"tick\" style=\"font-size:{Html.At(font)}px\" transform=\"translate({Html.At(left + middle + font * 0.3)} {Html.At(top - 6)}) rotate(-45)\">{name}</text>"
            );
        }
        for (var label = 0; label < count; label++)
        {
            var total = Math.Max(1, confusion[label].Sum());
            for (var predicted = 0; predicted < count; predicted++)
            {
                var found = confusion[label][predicted];
                if (found == 0 && !numbered)
                    continue;
                var share = found / (double)total;
                // The root makes the few mistakes visible beside the many right answers.
                var strength = Html.Fixed(found == 0 ? 0 : 0.08 + 0.92 * Math.Sqrt(share), 3);
                svg.Append(
                    $"<g><title>{Html.Encode(classes[label])} taken for {Html.Encode(classes[predicted])}: {found} ({Html.Percent(share, 1)})</title>"
                );
                svg.Append(
                    $"<rect class=\"{(label == predicted ? "right" : "wrong")}\" fill-opacity=\"{strength}\" x=\"{Html.At(left + predicted * cell)}\" y=\"{Html.At(top + label * cell)}\" width=\"{Html.At(cell - 1)}\" height=\"{Html.At(cell - 1)}\" rx=\"{(numbered ? 3 : 0)}\"/>"
                );
                if (numbered && found > 0)
                    svg.Append(
                        $"<text class=\"{(share > 0.3 ? "cell strong" : "cell")}\" x=\"{Html.At(left + (predicted + 0.5) * cell)}\" y=\"{Html.At(top + (label + 0.5) * cell + 4)}\" text-anchor=\"middle\">{found}</text>"
                    );
                svg.Append("</g>");
            }
        }
        return svg.Append("</svg>").ToString();
    }

    /// <summary>The pairs of classes that are confused most often, as rows of a table.</summary>
    internal static string WorstPairs(IReadOnlyList<IReadOnlyList<int>> confusion, IReadOnlyList<string> classes, int most)
    {
        var pairs = Enumerable
            .Range(0, classes.Count)
            .SelectMany(label =>
                Enumerable
                    .Range(0, classes.Count)
                    .Where(predicted => predicted != label && confusion[label][predicted] > 0)
                    .Select(predicted =>
                        (Label: label, Predicted: predicted, Count: confusion[label][predicted], Total: confusion[label].Sum())
                    )
            )
            .OrderByDescending(pair => pair.Count)
            .ThenBy(pair => pair.Label)
            .ThenBy(pair => pair.Predicted)
            .Take(most);
        return string.Concat(
            pairs.Select(pair =>
                $"<tr><td>{Html.Encode(classes[pair.Label])}</td><td>{Html.Encode(classes[pair.Predicted])}</td><td class=\"number\">{pair.Count}</td><td class=\"number\">{Html.Percent(pair.Count / (double)pair.Total, 1)}</td></tr>"
            )
        );
    }
}
