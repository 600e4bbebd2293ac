using FsCheck;
using FsCheck.Fluent;
using Tessera.Testing;
using Tessera.Training.Generation;

namespace Tessera.Training.Tests.Generation;

[Collection("engine")]
public sealed class FrechetDistanceTests
{
    [Theory]
    [InlineData(400, 12)]
    // Singular: the roots of what is 0 by rounding would add up.
    [InlineData(20, 256)]
    public void A_set_is_at_no_distance_from_itself(int n, int d)
    {
        using var scope = new Scope();
        var features = Drawn.Features(1, n, d) * 30;
        Assert.Equal(0, Drawn.Distance(features, features), 1e-6);
    }

    [Fact]
    public void A_shift_of_the_mean_adds_its_square()
    {
        using var scope = new Scope();
        var (features, other) = (Drawn.Features(2, 60, 5), Drawn.Features(3, 50, 5));
        var shift = Tensor.From<double>([1, -2, 0.5, 0, 3]);
        Assert.Equal(1 + 4 + 0.25 + 9, Drawn.Distance(features, features + shift), 1e-9);
        // Beside another difference of spreads, whatever the means were before.
        var centered = other - other.Mean([0]) + features.Mean([0]);
        Assert.Equal(Drawn.Distance(features, centered) + 14.25, Drawn.Distance(features, centered + shift), 1e-9);
    }

    [Fact]
    public void Spreads_along_the_same_axes_differ_by_their_deviations()
    {
        using var scope = new Scope();
        var (first, second) = (Tensor.From<double>([4, 9, 0]).Diag(), Tensor.From<double>([1, 25, 2.25]).Diag());
        var mean = Torch.Zeros([3], DType.Float64);
        // (2 - 1)^2 + (3 - 5)^2 + (0 - 1.5)^2
        Assert.Equal(7.25, FrechetDistance.Between(mean, first, mean, second), 1e-12);
    }

    [Fact]
    public void Spreads_that_do_not_commute_agree_with_the_roots_of_eigenvalues()
    {
        using var scope = new Scope();
        using var one = FeatureStatistics.Of(Drawn.Features(4, 40, 6));
        using var two = FeatureStatistics.Of(Drawn.Features(5, 30, 6).Matmul(Drawn.Features(6, 6, 6)));
        var (values, vectors) = one.Covariance.LinalgEigh();
        var root = (vectors * values.Sqrt()).Matmul(vectors.MT);
        var common = root.Matmul(two.Covariance).Matmul(root).LinalgEigvalsh().ClampMin(0).Sqrt().Sum().ToDouble();
        var expected =
            (one.Mean - two.Mean).Square().Sum().ToDouble()
            + one.Covariance.Trace().ToDouble()
            + two.Covariance.Trace().ToDouble()
            - 2 * common;
        Assert.Equal(expected, FrechetDistance.Between(one, two), 1e-9);
    }

    [Fact]
    public void It_is_never_negative() =>
        Prop.ForAll(ArbMap.Default.ArbFor<int>().Filter(seed => seed != int.MinValue), seed =>
            {
                using var scope = new Scope();
                var (n, d) = (2 + Math.Abs(seed) % 20, 1 + Math.Abs(seed) % 13);
                var features = Drawn.Features(seed, n, d);
                var other = features + Drawn.Features(seed + 1, n, d) * 1e-9;
                var distance = Drawn.Distance(features, other);
                return distance >= 0 && double.IsFinite(distance);
            })
            .QuickCheckThrowOnFailure();

    [Fact]
    public void Neither_batches_nor_the_order_of_features_matter()
    {
        using var scope = new Scope();
        var (features, other) = (Drawn.Features(7, 61, 8) + 100, Drawn.Features(8, 40, 8) + 101);
        using var batches = new FeatureStatistics(8);
        for (var start = 0; start < 61; start += 7)
            batches.Add(features.Flip(0).Slice(0, start, Math.Min(61, start + 7)));
        batches.Add(Torch.Zeros([0, 8], DType.Float64));
        using var second = FeatureStatistics.Of(other);
        Assert.Equal(61, batches.Count);
        Near.Equal(features.Mean([0]), batches.Mean, 1e-11);
        Assert.Equal(Drawn.Distance(features, other), FrechetDistance.Between(batches, second), 1e-9);
    }

    [Fact]
    public void Processes_join_their_features()
    {
        using var scope = new Scope();
        var features = Drawn.Features(9, 31, 4) + 7;
        using var whole = FeatureStatistics.Of(features);
        var (mean, covariance) = (whole.Mean.ToArray<double>(), whole.Covariance.ToArray<double>());
        // The third process has none.
        var all = Ranks.Run(3, group =>
        {
            using var own = new Scope();
            using var statistics = new FeatureStatistics(4);
            if (group.Rank < 2)
                statistics.Add(group.Rank == 0 ? features.Slice(0, 0, 20) : features.Slice(0, 20));
            statistics.Join(group);
            return (statistics.Count, statistics.Mean.ToArray<double>(), statistics.Covariance.ToArray<double>());
        });
        Assert.All(all, joined =>
        {
            Assert.Equal(31, joined.Count);
            Assert.Equal(mean, joined.Item2, (a, b) => Math.Abs(a - b) < 1e-12);
            Assert.Equal(covariance, joined.Item3, (a, b) => Math.Abs(a - b) < 1e-12);
        });
    }

    [Fact]
    public void Shapes_that_do_not_fit_are_refused()
    {
        using var scope = new Scope();
        using var one = FeatureStatistics.Of(Drawn.Features(1, 5, 3));
        using var two = FeatureStatistics.Of(Drawn.Features(1, 5, 4));
        var error = Assert.Throws<ShapeException>(() => FrechetDistance.Between(one, two));
        Assert.Contains("means of shapes [3] and [4]", error.Message, StringComparison.Ordinal);
        Assert.Equal("features must be [B, 3], not [5, 4]", Assert.Throws<ShapeException>(() => one.Add(Drawn.Features(1, 5, 4))).Message);
    }
}
