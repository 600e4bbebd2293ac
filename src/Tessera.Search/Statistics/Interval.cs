namespace Tessera.Search.Statistics;

/// <summary>An interval that holds what is estimated in 95 of 100 experiments.</summary>
/// <param name="Low">Lower end.</param>
/// <param name="High">Upper end.</param>
/// <param name="By">How it was found: <c>t</c>, by Student's distribution, or <c>bootstrap</c>, by drawing again from the sample.</param>
public sealed record Interval(double Low, double High, string By)
{
    /// <summary>Share of experiments in which intervals hold the truth.</summary>
    public const double Confidence = 0.95;

    private const int Resamples = 4000,
        FewestPairs = 4;

    /// <summary>Of the mean of a population, by a sample of it. Null for less than two numbers.</summary>
    /// <param name="sample">Numbers.</param>
    public static Interval? OfMean(IReadOnlyList<double> sample) =>
        sample.Count < 2 ? null : Around(sample.Average(), Math.Sqrt(Variance(sample) / sample.Count), sample.Count - 1);

    /// <summary>
    /// Of the difference between a network, by its runs, and the mean of a population of networks, by a sample of them. One run shows
    /// nothing of how far runs of a network differ: it is taken as one more network of the population. Null for less than two networks.
    /// </summary>
    /// <param name="runs">Scores of one network, at least one.</param>
    /// <param name="others">Scores of other networks.</param>
    public static Interval? OfGain(IReadOnlyList<double> runs, IReadOnlyList<double> others)
    {
        if (runs.Count == 0 || others.Count < 2)
            return null;
        var gain = runs.Average() - others.Average();
        var spread = Variance(others);
        if (runs.Count == 1)
            return Around(gain, Math.Sqrt(spread * (1 + 1.0 / others.Count)), others.Count - 1);
        // Welch: both spreads are estimated.
        var (a, b) = (Variance(runs) / runs.Count, spread / others.Count);
        var degrees = a + b == 0 ? 1 : (a + b) * (a + b) / (a * a / (runs.Count - 1) + b * b / (others.Count - 1));
        return Around(gain, Math.Sqrt(a + b), Math.Max(1, (int)degrees));
    }

    /// <summary>
    /// Of a figure of pairs, by drawing as many pairs again and again from those that are there: what lies between the 2.5th and the 97.5th
    /// percentile of the figure. Null for less than four pairs.
    /// </summary>
    /// <param name="x">First numbers of the pairs.</param>
    /// <param name="y">Their second numbers.</param>
    /// <param name="figure">The figure; draws for which it is not a number are left out.</param>
    /// <param name="seed">Of the draws.</param>
    public static Interval? OfPairs(
        IReadOnlyList<double> x,
        IReadOnlyList<double> y,
        Func<IReadOnlyList<double>, IReadOnlyList<double>, double> figure,
        int seed = 0
    )
    {
        if (x.Count < FewestPairs || x.Count != y.Count)
            return null;
        var random = new Random(seed);
        double[] drawn =
        [
            .. Enumerable
                .Range(0, Resamples)
                .Select(_ =>
                {
                    int[] places = [.. Enumerable.Range(0, x.Count).Select(_ => random.Next(x.Count))];
                    return figure([.. places.Select(i => x[i])], [.. places.Select(i => y[i])]);
                })
                .Where(double.IsFinite)
                .Order(),
        ];
        return drawn.Length == 0 ? null : new(At(drawn, (1 - Confidence) / 2), At(drawn, (1 + Confidence) / 2), "bootstrap");
    }

    private static double At(double[] sorted, double share) => sorted[(int)Math.Round(share * (sorted.Length - 1))];

    private static Interval Around(double value, double error, int degrees)
    {
        var reach = StudentT.Reach(Confidence, degrees) * error;
        return new(value - reach, value + reach, "t");
    }

    private static double Variance(IReadOnlyList<double> sample)
    {
        var mean = sample.Average();
        return sample.Sum(value => (value - mean) * (value - mean)) / (sample.Count - 1);
    }
}
