namespace Tessera.Search.Evolution;

/// <summary>
/// Polynomial mutation (Deb and Goyal, 1996) of whole numbers: the bounds are widened by a half on both sides, and the result is rounded,
/// so that the numbers at the ends are as likely as the others.
/// </summary>
public static class PolynomialMutation
{
    private const double Widening = 0.5;

    /// <summary>The mutated value of a gene before it is rounded.</summary>
    /// <param name="value">The gene.</param>
    /// <param name="least">Its least value.</param>
    /// <param name="most">Its largest value.</param>
    /// <param name="uniform">A draw in [0, 1).</param>
    /// <param name="eta">Larger values stay nearer to the gene.</param>
    public static double Raw(double value, double least, double most, double uniform, double eta)
    {
        var (lower, upper) = (least - Widening, most + Widening);
        var range = upper - lower;
        var exponent = eta + 1;
        var step =
            uniform <= 0.5
                ? Math.Pow(2 * uniform + (1 - 2 * uniform) * Math.Pow(1 - (value - lower) / range, exponent), 1 / exponent) - 1
                : 1 - Math.Pow(2 * (1 - uniform) + (2 * uniform - 1) * Math.Pow(1 - (upper - value) / range, exponent), 1 / exponent);
        return Math.Clamp(value + step * range, lower, upper);
    }

    /// <summary>The mutated value of a gene, a whole number within its bounds; from the middle to the even number.</summary>
    /// <param name="value">The gene.</param>
    /// <param name="least">Its least value.</param>
    /// <param name="most">Its largest value.</param>
    /// <param name="uniform">A draw in [0, 1).</param>
    /// <param name="eta">Larger values stay nearer to the gene.</param>
    public static int Mutate(int value, int least, int most, double uniform, double eta) =>
        Math.Clamp((int)Math.Round(Raw(value, least, most, uniform, eta), MidpointRounding.ToEven), least, most);

    /// <summary>Mutates each gene with a probability of one over their number.</summary>
    /// <param name="genes">The genes, within their bounds.</param>
    /// <param name="most">The largest value of each; the least is 0.</param>
    /// <param name="random">Where the draws come from.</param>
    /// <param name="eta">Larger values stay nearer to the genes.</param>
    public static int[] Mutate(IReadOnlyList<int> genes, IReadOnlyList<int> most, Random random, double eta)
    {
        var result = new int[genes.Count];
        for (var i = 0; i < result.Length; i++)
            result[i] = random.NextDouble() < 1.0 / genes.Count ? Mutate(genes[i], 0, most[i], random.NextDouble(), eta) : genes[i];
        return result;
    }
}
