using Tessera.Training.Drawing;

namespace Tessera.Training.Tasks.Detection;

/// <summary>Curves of precision over recall, as SVG.</summary>
internal static class PrecisionRecallCharts
{
    private const int NameLength = 20;

    /// <summary>Mean of the classes at some thresholds of the overlap.</summary>
    /// <param name="scores">What was measured.</param>
    /// <param name="title">Title above the chart.</param>
    internal static string PerThreshold(CocoScores scores, string title)
    {
        int[] shown = [.. Enumerable.Range(0, scores.Thresholds.Count).Where(t => scores.Thresholds.Count < 4 || t % 3 == 0)];
        int[] known = [.. Known(scores)];
        return known.Length == 0
            ? ""
            : Chart(
                title,
                [
                    .. shown.Select(
                        (t, i) =>
                            Curve(
                                $"overlap {Html.Fixed(scores.Thresholds[t], 2)}",
                                i,
                                [
                                    .. Enumerable
                                        .Range(0, CocoRules.Recalls.Length)
                                        .Select(r => known.Average(label => scores.Precision(label, t)[r])),
                                ]
                            )
                    ),
                ]
            );
    }

    /// <summary>The best, the median and the worst class at the lowest threshold.</summary>
    /// <param name="scores">What was measured.</param>
    /// <param name="classes">Names of the classes.</param>
    /// <param name="title">Title above the chart.</param>
    internal static string PerClass(CocoScores scores, IReadOnlyList<string> classes, string title)
    {
        int[] known = [.. Known(scores).OrderByDescending(label => scores.Precision(label, 0).Average())];
        int[] shown = known.Length < 4 ? known : [known[0], known[known.Length / 2], known[^1]];
        return known.Length == 0
            ? ""
            : Chart(title, [.. shown.Select((label, i) => Curve(Html.Short(classes[label], NameLength), i, scores.Precision(label, 0)))]);
    }

    /// <summary>Curves of VOC, of the best, the median and the worst class.</summary>
    /// <param name="scores">What was measured.</param>
    /// <param name="classes">Names of the classes.</param>
    /// <param name="title">Title above the chart.</param>
    internal static string PerClass(VocScores scores, IReadOnlyList<string> classes, string title)
    {
        int[] known =
        [
            .. Enumerable
                .Range(0, classes.Count)
                .Where(label => scores.PerClass[label].Curve.Count > 0)
                .OrderByDescending(label => scores.PerClass[label].Ap),
        ];
        int[] shown = known.Length < 4 ? known : [known[0], known[known.Length / 2], known[^1]];
        return known.Length == 0
            ? ""
            : Chart(
                title,
                [.. shown.Select((label, i) => new Series(Html.Short(classes[label], NameLength), i, [.. scores.PerClass[label].Curve]))]
            );
    }

    private static IEnumerable<int> Known(CocoScores scores) =>
        Enumerable.Range(0, scores.PerClass.Count).Where(label => scores.PerClass[label].Objects > 0);

    private static string Chart(string title, IReadOnlyList<Series> curves) =>
        new LineChart(title, "recall", curves, value => Html.Percent(value, 0)).ToSvg();

    private static Series Curve(string name, int color, IReadOnlyList<double> precision) =>
        new(name, color, [.. precision.Select((value, r) => (CocoRules.Recalls[r], value))]);
}
