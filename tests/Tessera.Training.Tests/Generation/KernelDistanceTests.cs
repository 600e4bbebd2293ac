using Tessera.Training.Generation;

namespace Tessera.Training.Tests.Generation;

[Collection("engine")]
public sealed class KernelDistanceTests
{
    [Fact]
    public void It_is_the_mean_over_pairs_of_different_features()
    {
        using var scope = new Scope();
        var (real, fake) = (Drawn.Features(1, 5, 3), Drawn.Features(2, 4, 3) + 0.5);
        var expected = Mean(real, real, same: true) + Mean(fake, fake, same: true) - 2 * Mean(real, fake, same: false);
        Assert.Equal(expected, KernelDistance.Between(real, fake), 1e-12);

        static double Mean(Tensor one, Tensor other, bool same)
        {
            var values = new List<double>();
            for (var i = 0; i < one.Size(0); i++)
            for (var j = 0; j < other.Size(0); j++)
                if (!same || i != j)
                    values.Add(Math.Pow((one[i] * other[j]).Sum().ToDouble() / 3 + 1, 3));
            return values.Average();
        }
    }

    [Fact]
    public void Subsets_as_large_as_the_sets_are_the_sets()
    {
        using var scope = new Scope();
        var (real, fake) = (Drawn.Features(3, 30, 4), Drawn.Features(4, 30, 4));
        Assert.Equal(new ScoreWithDeviation(KernelDistance.Between(real, fake), 0), KernelDistance.OverSubsets(real, fake, 100, 30));
        var smaller = KernelDistance.OverSubsets(real, fake, 40, 12, seed: 5);
        Assert.True(smaller.Deviation > 0);
        Assert.Equal(smaller, KernelDistance.OverSubsets(real, fake, 40, 12, seed: 5));
        Assert.NotEqual(smaller, KernelDistance.OverSubsets(real, fake, 40, 12, seed: 6));
    }

    [Fact]
    public void The_mean_over_subsets_is_near_the_distance_of_the_sets()
    {
        using var scope = new Scope();
        var (real, fake) = (Drawn.Features(5, 200, 4), Drawn.Features(6, 150, 4) + 1);
        var subsets = KernelDistance.OverSubsets(real, fake, 200, 50);
        Assert.Equal(KernelDistance.Between(real, fake), subsets.Mean, 4 * subsets.Deviation / Math.Sqrt(200));
        Assert.True(subsets.Mean > 10 * Math.Abs(KernelDistance.Between(real, Drawn.Features(7, 150, 4))));
    }

    [Fact]
    public void A_single_feature_is_refused()
    {
        using var scope = new Scope();
        var error = Assert.Throws<ShapeException>(() => KernelDistance.Between(Drawn.Features(1, 1, 3), Drawn.Features(2, 4, 3)));
        Assert.Contains("there must be at least 2 of each", error.Message, StringComparison.Ordinal);
    }
}
