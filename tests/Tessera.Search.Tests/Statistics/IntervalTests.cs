using Tessera.Search.Statistics;

namespace Tessera.Tests.Search;

public class IntervalTests
{
    private const int Experiments = 300;

    [Theory]
    [InlineData(1, 12.706204736432095)]
    [InlineData(2, 4.302652729911275)]
    [InlineData(9, 2.2621571627409915)]
    [InlineData(30, 2.0422724563012373)]
    public void Reaches_of_students_distribution_are_those_of_its_tables(int degrees, double reach) =>
        Assert.Equal(reach, StudentT.Reach(0.95, degrees), 1e-9);

    [Fact]
    public void The_interval_of_a_mean_is_by_its_spread()
    {
        var interval = Interval.OfMean([1, 2, 3, 4])!;
        Assert.Equal("t", interval.By);
        // 2.5 and 3.182446 times 1.290994 / 2.
        Assert.Equal(0.445739, interval.Low, 1e-5);
        Assert.Equal(4.554261, interval.High, 1e-5);
        Assert.Null(Interval.OfMean([1]));
    }

    [Fact]
    public void Intervals_of_means_hold_the_truth_as_often_as_they_say() =>
        Assert.InRange(Share(random => Interval.OfMean(Normals(random, 8))!, 0), 0.92, 0.98);

    [Fact]
    public void A_network_by_chance_gains_nothing_as_often_as_the_interval_says()
    {
        Assert.InRange(Share(random => Interval.OfGain(Normals(random, 1), Normals(random, 10))!, 0), 0.92, 0.98);
        Assert.InRange(Share(random => Interval.OfGain(Normals(random, 3), Normals(random, 10))!, 0), 0.92, 0.99);
    }

    [Fact]
    public void Intervals_by_drawing_again_hold_the_truth_nearly_as_often_as_they_say()
    {
        const double correlation = 0.6;
        // Kendall's tau of a normal distribution.
        var tau = 2 / Math.PI * Math.Asin(correlation);
        var share = Share(
            random =>
            {
                var x = Normals(random, 20);
                double[] y = [.. x.Select(value => correlation * value + Math.Sqrt(1 - correlation * correlation) * Normals(random, 1)[0])];
                return Interval.OfPairs(x, y, RankCorrelation.Kendall)!;
            },
            tau,
            experiments: 60
        );
        Assert.InRange(share, 0.85, 1);
    }

    [Fact]
    public void Drawing_again_is_by_the_seed_and_needs_four_pairs()
    {
        double[] x = [1, 2, 3, 4, 5],
            y = [2, 1, 4, 3, 5];
        var interval = Interval.OfPairs(x, y, RankCorrelation.Kendall)!;
        Assert.Equal(interval, Interval.OfPairs(x, y, RankCorrelation.Kendall));
        Assert.Equal("bootstrap", interval.By);
        Assert.InRange(RankCorrelation.Kendall(x, y), interval.Low, interval.High);
        Assert.Null(Interval.OfPairs([1, 2, 3], [1, 2, 3], RankCorrelation.Kendall));
    }

    private static double Share(Func<Random, Interval> interval, double truth, int experiments = Experiments)
    {
        var random = new Random(17);
        return Enumerable.Range(0, experiments).Count(_ => interval(random) is var found && found.Low <= truth && truth <= found.High)
            / (double)experiments;
    }

    private static double[] Normals(Random random, int count) =>
        [
            .. Enumerable
                .Range(0, count)
                .Select(_ => Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble())),
        ];
}
