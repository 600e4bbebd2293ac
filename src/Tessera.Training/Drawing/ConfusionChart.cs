using System.Numerics;

namespace Tessera.Training.Drawing;

/// <summary>The confusion matrix as SVG: rows are true classes, columns predictions, shades are shares of the row.</summary>
internal static class ConfusionChart
{
    /// <summary>Most classes of a readable matrix; with more classes only the pairs confused most often are listed.</summary>
    internal const int MostClasses = 120;

    private const int NumberedClasses = 20;

    /// <summary>The matrix; empty with more than <see cref="MostClasses"/>.</summary>
    /// <param name="confusion">How often, by true and predicted class.</param>
    /// <param name="classes">Name per class.</param>
    /// <param name="percent">Whether cells name shares of their row, where counts are too long to read.</param>
    internal static string ToSvg<T>(IReadOnlyList<IReadOnlyList<T>> confusion, IReadOnlyList<string> classes, bool percent = false)
        where T : IBinaryInteger<T>
    {
        var count = classes.Count;
        if (count > MostClasses)
            return "";
        var numbered = count <= NumberedClasses;
        var cell = numbered ? Math.Clamp(460.0 / count, 24, 44) : Math.Max(4, 520.0 / count);
        var font = Math.Clamp(cell * 0.8, 3.5, 12);
        var left = Math.Min(classes.Max(name => Math.Min(name.Length, 18)), 18) * font * 0.58 + 14;
        var (top, size) = (left * 0.72 + 4, cell * count);
        var (width, height) = (left + size + left * 0.45, top + size + 4);
        var cells = Enumerable.Range(0, count).SelectMany(label => Enumerable.Range(0, count).Select(predicted => (label, predicted)));
        return $"""
            <svg viewBox="0 0 {Html.At(width)} {Html.At(height)}" role="img" aria-label="Confusion matrix" class="confusion">
            {Svg.Lines(classes.Index(), entry => Names(entry.Item, (entry.Index + 0.5) * cell))}
            {Svg.Lines(cells.Where(at => numbered || !T.IsZero(confusion[at.label][at.predicted])), at => Cell(at.label, at.predicted))}
            </svg>
            """;

        // The name of a class beside its row, and slanted above its column.
        string Names(string text, double middle)
        {
            var name = Html.Encode(Html.Short(text, 18));
            var style = $"font-size:{Html.At(font)}px";
            var (x, y) = (Html.At(left + middle + font * 0.3), Html.At(top - 6));
            var baseline = Html.At(top + middle + font * 0.35);
            return $"""
                <text class="tick" style="{style}" x="{Html.At(left - 6)}" y="{baseline}" text-anchor="end">{name}</text>
                <text class="tick" style="{style}" transform="translate({x} {y}) rotate(-45)">{name}</text>
                """;
        }

        string Cell(int label, int predicted)
        {
            var found = long.CreateChecked(confusion[label][predicted]);
            var share = found / (double)Math.Max(1, Total(confusion[label]));
            // The root makes the few mistakes visible beside the many right answers.
            var strength = Html.Fixed(found == 0 ? 0 : 0.08 + 0.92 * Math.Sqrt(share), 3);
            var (x, y, side) = (Html.At(left + predicted * cell), Html.At(top + label * cell), Html.At(cell - 1));
            var kind = label == predicted ? "right" : "wrong";
            var (from, to) = (Html.Encode(classes[label]), Html.Encode(classes[predicted]));
            return $"""
                <g><title>{from} taken for {to}: {found} ({Html.Percent(share, 1)})</title>
                <rect class="{kind}" fill-opacity="{strength}" x="{x}" y="{y}" width="{side}" height="{side}" rx="{(numbered ? 3 : 0)}"/>
                {(numbered && found > 0 ? Number(label, predicted, found, share) : "")}</g>
                """;
        }

        string Number(int label, int predicted, long found, double share)
        {
            // A share that rounds to nothing says nothing.
            var text =
                !percent ? $"{found}"
                : share < 0.005 ? ""
                : Html.Fixed(100 * share, 0);
            var (x, y) = (Html.At(left + (predicted + 0.5) * cell), Html.At(top + (label + 0.5) * cell + 4));
            return $"""<text class="{(share > 0.3 ? "cell strong" : "cell")}" x="{x}" y="{y}" text-anchor="middle">{text}</text>""";
        }
    }

    /// <summary>Table rows of the pairs of classes that the model confuses most often.</summary>
    internal static string WorstPairs<T>(IReadOnlyList<IReadOnlyList<T>> confusion, IReadOnlyList<string> classes, int most)
        where T : IBinaryInteger<T> =>
        Svg.Lines(Confused(confusion, most), pair => PairRow(classes[pair.Label], classes[pair.Predicted], pair.Count, pair.Total));

    /// <summary>The pairs of classes that the model confuses most often, and the samples of the true class.</summary>
    internal static IEnumerable<(int Label, int Predicted, long Count, long Total)> Confused<T>(
        IReadOnlyList<IReadOnlyList<T>> confusion,
        int most
    )
        where T : IBinaryInteger<T> =>
        confusion
            .SelectMany(
                (row, label) =>
                    row.Select((count, predicted) => (label, predicted, Count: long.CreateChecked(count), Total: Total(row)))
                        .Where(pair => pair.predicted != label && pair.Count > 0)
            )
            .OrderByDescending(pair => pair.Count)
            .ThenBy(pair => pair.label)
            .ThenBy(pair => pair.predicted)
            .Take(most);

    private static long Total<T>(IReadOnlyList<T> row)
        where T : IBinaryInteger<T> => row.Sum(long.CreateChecked);

    private static string PairRow(string label, string predicted, long count, long total) =>
        $"""
            <tr><td>{Html.Encode(label)}</td><td>{Html.Encode(predicted)}</td>
            <td class="number">{count}</td><td class="number">{Html.Percent(count / (double)total, 1)}</td></tr>
            """;
}
