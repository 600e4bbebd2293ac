namespace Tessera.Training.Generation;

/// <summary>How two sets of features overlap. All are shares but the density, which may exceed 1.</summary>
/// <param name="Precision">
/// Generated features that lie among the real ones: how real images look (Kynkäänniemi et al., 2019, arXiv:1904.06991).
/// </param>
/// <param name="Recall">Real features that lie among the generated ones: how much of the variety there is.</param>
/// <param name="Density">
/// Mean number of real neighbourhoods that a generated feature lies in, over the neighbours (Naeem et al., 2020, arXiv:2002.09797): unlike
/// precision, a single outlier among the real features hardly changes it.
/// </param>
/// <param name="Coverage">Real features with a generated one in their neighbourhood.</param>
public sealed record ManifoldOverlap(double Precision, double Recall, double Density, double Coverage);

/// <summary>
/// Precision and recall of generated images, density and coverage. A feature's neighbourhood reaches to its k-th nearest other one of the
/// same set, border included.
/// </summary>
public static class Manifolds
{
    // Distances that are in memory at once.
    private const long MostDistances = 1 << 23;

    /// <summary>How two sets of features overlap.</summary>
    /// <param name="real">[N, D], at least 2.</param>
    /// <param name="fake">[M, D], at least 2.</param>
    /// <param name="neighbors">k of precision and recall, at least 1; at most all others of a set count.</param>
    /// <param name="coverageNeighbors">k of density and coverage, at least 1.</param>
    /// <exception cref="ShapeException">The shapes do not fit, or there are fewer than 2 features.</exception>
    public static ManifoldOverlap Overlap(Tensor real, Tensor fake, int neighbors = 3, int coverageNeighbors = 5)
    {
        FeatureSets.Check(real, fake, 2);
        ArgumentOutOfRangeException.ThrowIfLessThan(neighbors, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(coverageNeighbors, 1);
        using var scope = new Scope();
        using var outside = Torch.NoGrad();
        var (one, two) = (real.To(DType.Float64), fake.To(DType.Float64));
        var ofReal = Radii(one, neighbors, coverageNeighbors);
        var fakeRadii = Radii(two, neighbors)[0]; // [M]
        var (n, m) = (one.Size(0), two.Size(0));
        var precise = Torch.Zeros([m], DType.Bool, device: two.Device);
        var (recalled, inside, covered) = (0L, 0L, 0L);
        for (var start = 0L; start < n; start += Rows(m))
        {
            using var own = new Scope();
            var end = Math.Min(n, start + Rows(m));
            var distances = Distances(one.Slice(0, start, end), two); // [rows, M]
            precise.Copy_(precise.LogicalOr(distances.Le(ofReal[0].Slice(0, start, end).Unsqueeze(1)).Any(0)));
            recalled += distances.Le(fakeRadii).Any(1).Sum().ToInt64();
            var near = distances.Le(ofReal[1].Slice(0, start, end).Unsqueeze(1));
            inside += near.Sum().ToInt64();
            covered += near.Any(1).Sum().ToInt64();
        }
        var density = inside / ((double)Math.Min(coverageNeighbors, n - 1) * m);
        return new(precise.Sum().ToInt64() / (double)m, recalled / (double)n, density, covered / (double)n);
    }

    private static long Rows(long columns) => Math.Max(1, MostDistances / columns);

    // Differences themselves, not by products of matrices, which cancel: copies are at distance 0.
    private static Tensor Distances(Tensor one, Tensor other) => Torch.Cdist(one, other, 2, 2);

    // For each k, the distance of every feature to its k-th nearest other one, [N].
    private static Tensor[] Radii(Tensor features, params ReadOnlySpan<int> neighbors)
    {
        var n = features.Size(0);
        int[] ranks = [.. neighbors.ToArray().Select(k => (int)Math.Min(k, n - 1))];
        List<Tensor> parts = [];
        for (var start = 0L; start < n; start += Rows(n))
        {
            var first = start;
            parts.Add(
                Torch.Scope(() =>
                {
                    var distances = Distances(features.Slice(0, first, Math.Min(n, first + Rows(n))), features);
                    // A feature itself is one of the nearest, at distance 0.
                    return distances.Topk(ranks.Max() + 1, 1, largest: false).Item1;
                })
            );
        }
        var nearest = parts is [var only] ? only : Torch.Cat([.. parts], 0);
        return [.. ranks.Select(rank => nearest.Select(1, rank))];
    }
}
