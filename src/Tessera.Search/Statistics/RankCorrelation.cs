namespace Tessera.Search.Statistics;

/// <summary>How far two lists of figures put the same things into the same order: from -1, the opposite, to 1.</summary>
/// <remarks>Not a number where all figures of a list are equal: there is no order then.</remarks>
public static class RankCorrelation
{
    /// <summary>
    /// Kendall's tau-b (Kendall, 1945, "The treatment of ties in ranking problems"): pairs in the same order less those in the opposite
    /// one, over the geometric mean of the pairs that each list orders.
    /// </summary>
    /// <param name="first">A figure of each thing.</param>
    /// <param name="second">Another figure of each.</param>
    /// <exception cref="ArgumentException">The lists differ in length, have fewer than two figures, or one that is not a number.</exception>
    public static double Kendall(IReadOnlyList<double> first, IReadOnlyList<double> second)
    {
        Check(first, second);
        long agreement = 0,
            orderedFirst = 0,
            orderedSecond = 0;
        for (var i = 0; i < first.Count; i++)
        for (var j = 0; j < i; j++)
        {
            var (one, other) = (first[i].CompareTo(first[j]), second[i].CompareTo(second[j]));
            agreement += one * other;
            orderedFirst += one * one;
            orderedSecond += other * other;
        }
        return agreement / (Math.Sqrt(orderedFirst) * Math.Sqrt(orderedSecond));
    }

    /// <summary>Spearman's rho: the correlation of ranks, where equal figures share the mean of theirs.</summary>
    /// <inheritdoc cref="Kendall"/>
    public static double Spearman(IReadOnlyList<double> first, IReadOnlyList<double> second)
    {
        Check(first, second);
        var (one, other) = (Ranks(first), Ranks(second));
        // Of ranks from 1, whatever is equal.
        var mean = (first.Count + 1) / 2.0;
        double together = 0,
            ofOne = 0,
            ofOther = 0;
        for (var i = 0; i < one.Length; i++)
        {
            var (x, y) = (one[i] - mean, other[i] - mean);
            together += x * y;
            ofOne += x * x;
            ofOther += y * y;
        }
        return together / (Math.Sqrt(ofOne) * Math.Sqrt(ofOther));
    }

    private static double[] Ranks(IReadOnlyList<double> figures)
    {
        var order = Enumerable.Range(0, figures.Count).OrderBy(i => figures[i]).ToArray();
        var ranks = new double[figures.Count];
        for (int start = 0, end; start < order.Length; start = end)
        {
            for (end = start + 1; end < order.Length && figures[order[end]].Equals(figures[order[start]]); end++) { }
            for (var i = start; i < end; i++)
                ranks[order[i]] = (start + 1 + end) / 2.0;
        }
        return ranks;
    }

    private static void Check(IReadOnlyList<double> first, IReadOnlyList<double> second)
    {
        if (first.Count != second.Count)
            throw new ArgumentException($"both lists must be as long: {first.Count} and {second.Count} figures");
        if (first.Count < 2)
            throw new ArgumentException($"there must be at least 2 figures to order, not {first.Count}");
        if (first.Concat(second).Any(double.IsNaN))
            throw new ArgumentException("a figure that is not a number has no place in an order");
    }
}
