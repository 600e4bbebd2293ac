using Tessera.Search.Statistics;

namespace Tessera.Tests.Search.Statistics;

public sealed class RankCorrelationTests
{
    // The examples of SciPy's documentation, with ties in both lists and in one.
    [Fact]
    public void Figures_with_ties_agree_with_SciPy()
    {
        Assert.Equal(-0.47140452079103173, RankCorrelation.Kendall([12, 2, 1, 12, 2], [1, 4, 7, 1, 0]), 1e-12);
        Assert.Equal(0.8207826816681233, RankCorrelation.Spearman([1, 2, 3, 4, 5], [5, 6, 7, 8, 7]), 1e-12);
    }

    [Fact]
    public void Orders_that_agree_give_one_and_opposite_ones_minus_one()
    {
        double[] figures = [0.3, -2, 7, 1e9, 0];
        double[] grown = [.. figures.Select(value => Math.Cbrt(value) + 4)];
        double[] turned = [.. figures.Select(value => -value)];
        foreach (
            var measure in (Func<IReadOnlyList<double>, IReadOnlyList<double>, double>[])[RankCorrelation.Kendall, RankCorrelation.Spearman]
        )
        {
            Assert.Equal(1, measure(figures, grown), 1e-12);
            Assert.Equal(-1, measure(figures, turned), 1e-12);
        }
    }

    [Fact]
    public void Without_ties_the_classical_formulas_hold()
    {
        var random = new Random(4);
        var order = Enumerable.Range(0, 30).Select(i => (double)i).ToArray();
        var other = order.ToArray();
        random.Shuffle(other);
        double n = order.Length;
        var squares = order.Zip(other, (x, y) => (x - y) * (x - y)).Sum();
        Assert.Equal(1 - 6 * squares / (n * (n * n - 1)), RankCorrelation.Spearman(order, other), 1e-12);
        var discordant = Enumerable.Range(0, 30).Sum(i => Enumerable.Range(0, i).Count(j => other[j] > other[i]));
        Assert.Equal(1 - 4.0 * discordant / (n * (n - 1)), RankCorrelation.Kendall(order, other), 1e-12);
    }

    [Fact]
    public void Equal_figures_have_no_order()
    {
        Assert.True(double.IsNaN(RankCorrelation.Kendall([1, 1, 1], [1, 2, 3])));
        Assert.True(double.IsNaN(RankCorrelation.Spearman([1, 2, 3], [1, 1, 1])));
    }

    [Fact]
    public void Lists_that_cannot_be_compared_are_refused()
    {
        Assert.Throws<ArgumentException>(() => RankCorrelation.Kendall([1, 2], [1, 2, 3]));
        Assert.Throws<ArgumentException>(() => RankCorrelation.Spearman([1], [1]));
        Assert.Throws<ArgumentException>(() => RankCorrelation.Kendall([1, double.NaN], [1, 2]));
    }
}
