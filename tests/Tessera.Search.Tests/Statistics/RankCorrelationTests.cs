using Tessera.Search.Statistics;

namespace Tessera.Tests.Search;

public class RankCorrelationTests
{
    [Fact]
    public void Orders_are_compared_by_pairs_and_by_ranks()
    {
        double[] x = [12, 2, 1, 12, 2],
            y = [1, 4, 7, 1, 0];
        // As SciPy has them.
        Assert.Equal(-0.47140452079103173, RankCorrelation.Kendall(x, y), 14);
        Assert.Equal(0.8207826816681233, RankCorrelation.Spearman([1, 2, 3, 4, 5], [5, 6, 7, 8, 7]), 14);
        Assert.Equal(1, RankCorrelation.Kendall([1, 2, 3], [10, 20, 400]));
        Assert.Equal(-1, RankCorrelation.Spearman([1, 2, 3], [3, 2, 1]));
        Assert.True(double.IsNaN(RankCorrelation.Kendall([1, 1, 1], [1, 2, 3])));
    }

    [Fact]
    public void Lists_that_do_not_fit_are_refused()
    {
        Assert.Throws<ArgumentException>(() => RankCorrelation.Kendall([1, 2], [1]));
        Assert.Throws<ArgumentException>(() => RankCorrelation.Spearman([1], [1]));
    }
}
