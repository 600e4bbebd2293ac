namespace Tessera.Search.Evolution;

/// <summary>Children of two parents of as many genes.</summary>
public static class Crossover
{
    /// <summary>Two children that exchange the genes between two points, which differ.</summary>
    /// <param name="first">Genes of a parent, at least 2.</param>
    /// <param name="second">Genes of the other.</param>
    /// <param name="random">Where the draws come from.</param>
    public static (int[] First, int[] Second) TwoPoint(IReadOnlyList<int> first, IReadOnlyList<int> second, Random random)
    {
        var (start, end) = (random.Next(first.Count + 1), random.Next(first.Count));
        // Two different points among those before, between and behind the genes.
        end += end >= start ? 1 : 0;
        (start, end) = (Math.Min(start, end), Math.Max(start, end));
        return (Child(first, second), Child(second, first));

        int[] Child(IReadOnlyList<int> outside, IReadOnlyList<int> inside) =>
            [.. outside.Select((gene, i) => i >= start && i < end ? inside[i] : gene)];
    }

    /// <summary>A child that has each gene of either parent with the same probability.</summary>
    /// <param name="first">Genes of a parent.</param>
    /// <param name="second">Genes of the other.</param>
    /// <param name="random">Where the draws come from.</param>
    public static int[] Uniform(IReadOnlyList<int> first, IReadOnlyList<int> second, Random random) =>
        [.. first.Zip(second, (one, other) => random.Next(2) == 0 ? one : other)];
}
