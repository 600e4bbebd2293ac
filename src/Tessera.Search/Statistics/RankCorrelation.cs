namespace Tessera.Search.Statistics;

/// <summary>Whether two lists of numbers have the same order: 1 for the same, -1 for the opposite, around 0 for no relation.</summary>
public static class RankCorrelation
{
    /// <summary>Kendall's tau-b: pairs in the same order less those in the opposite one, over the pairs without those that tie.</summary>
    /// <param name="x">Numbers.</param>
    /// <param name="y">As many; each belongs to the number of x at its place.</param>
    /// <returns>Not a number where all of x or all of y are equal.</returns>
    /// <exception cref="ArgumentException">The lists differ in length, or hold less than two numbers.</exception>
    public static double KendallTau(IReadOnlyList<double> x, IReadOnlyList<double> y)
    {
        Check(x, y);
        long same = 0,
            apartInX = 0,
            apartInY = 0;
        for (var i = 0; i < x.Count; i++)
        for (var j = 0; j < i; j++)
        {
            var (a, b) = (x[i].CompareTo(x[j]), y[i].CompareTo(y[j]));
            same += a * b;
            apartInX += a * a;
            apartInY += b * b;
        }
        return same / Math.Sqrt((double)apartInX * apartInY);
    }

    /// <summary>Spearman's rho: the correlation of the ranks, of which equal numbers share the mean.</summary>
    /// <inheritdoc cref="KendallTau"/>
    public static double Spearman(IReadOnlyList<double> x, IReadOnlyList<double> y)
    {
        Check(x, y);
        var (a, b) = (Ranks(x), Ranks(y));
        // The mean of all ranks, whatever ties.
        var middle = (x.Count + 1) / 2.0;
        double Products(double[] one, double[] other) => one.Zip(other, (p, q) => (p - middle) * (q - middle)).Sum();
        return Products(a, b) / Math.Sqrt(Products(a, a) * Products(b, b));
    }

    private static double[] Ranks(IReadOnlyList<double> values)
    {
        var ranks = new double[values.Count];
        var before = 0;
        foreach (var equal in Enumerable.Range(0, values.Count).GroupBy(i => values[i]).OrderBy(group => group.Key))
        {
            var count = equal.Count();
            foreach (var i in equal)
                ranks[i] = before + (count + 1) / 2.0;
            before += count;
        }
        return ranks;
    }

    private static void Check(IReadOnlyList<double> x, IReadOnlyList<double> y)
    {
        if (x.Count != y.Count || x.Count < 2)
            throw new ArgumentException($"{x.Count} and {y.Count} numbers cannot be compared: both lists must have as many, at least 2");
    }
}
