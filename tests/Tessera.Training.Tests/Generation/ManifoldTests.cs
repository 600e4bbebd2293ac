using Tessera.Training.Generation;

namespace Tessera.Training.Tests.Generation;

[Collection("engine")]
public sealed class ManifoldTests
{
    private static Tensor Line(params double[] places) => Tensor.From(places, places.Length, 1);

    [Fact]
    public void Overlap_agrees_with_a_case_by_hand()
    {
        using var scope = new Scope();
        // With one neighbour, the radii are 1, 1, 2 of the real features, and 1, 1, 94 of the generated ones.
        var (real, fake) = (Line(0, 1, 3), Line(1.5, 2.5, 96.5));
        var overlap = Manifolds.Overlap(real, fake, neighbors: 1, coverageNeighbors: 1);
        // 1.5 is within 1 of 1, 2.5 within 2 of 3, 96.5 of none.
        Assert.Equal(2 / 3.0, overlap.Precision, 1e-12);
        // 96.5 reaches to 2.5 alone: 0 is in no neighbourhood, 1 and 3 are.
        Assert.Equal(2 / 3.0, overlap.Recall, 1e-12);
        // 1.5 lies with 1 and 3, 2.5 with 3: three of a density of three.
        Assert.Equal(1, overlap.Density, 1e-12);
        // 0 reaches to 1, where there is none.
        Assert.Equal(2 / 3.0, overlap.Coverage, 1e-12);
    }

    [Fact]
    public void The_same_sets_overlap_wholly_and_distant_ones_not_at_all()
    {
        using var scope = new Scope();
        var features = Drawn.Features(1, 60, 4);
        var same = Manifolds.Overlap(features, features);
        Assert.Equal((1.0, 1.0, 1.0), (same.Precision, same.Recall, same.Coverage));
        var other = Manifolds.Overlap(features, features + 100);
        Assert.Equal(new ManifoldOverlap(0, 0, 0, 0), other);
    }

    [Fact]
    public void Copies_of_one_real_image_are_precise_and_recall_little()
    {
        using var scope = new Scope();
        var features = Drawn.Features(2, 60, 4);
        var overlap = Manifolds.Overlap(features, features.Slice(0, 7, 8).Expand([40, 4]));
        Assert.Equal(1, overlap.Precision);
        Assert.Equal(1 / 60.0, overlap.Recall, 1e-12);
        Assert.True(overlap.Coverage < 0.5);
    }

    [Fact]
    public void An_outlier_among_the_real_features_changes_precision_and_hardly_density()
    {
        using var scope = new Scope();
        var (real, fake) = (Drawn.Features(3, 100, 2), Drawn.Features(4, 100, 2) + 30);
        var outlier = Torch.Cat([real, Tensor.From<double>([40, 40], 1, 2)], 0);
        var (before, after) = (Manifolds.Overlap(real, fake), Manifolds.Overlap(outlier, fake));
        Assert.Equal(0, before.Precision);
        Assert.Equal(1, after.Precision);
        Assert.True(after.Density <= 0.2 + 1e-12);
    }

    [Fact]
    public void More_neighbours_than_there_are_others_are_all_others()
    {
        using var scope = new Scope();
        var overlap = Manifolds.Overlap(Line(0, 1), Line(0.5, 9), neighbors: 8, coverageNeighbors: 8);
        Assert.Equal(0.5, overlap.Precision);
        Assert.Equal(1, overlap.Density);
    }
}
