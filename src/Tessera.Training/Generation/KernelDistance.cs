using Tessera.Data;

namespace Tessera.Training.Generation;

/// <summary>
/// The kernel distance (Binkowski et al., 2018, arXiv:1801.01401): the unbiased estimate of the squared maximum mean discrepancy with the
/// kernel (x.y / D + 1)^3. It may be negative where two sets are alike.
/// </summary>
public static class KernelDistance
{
    // Apart from the streams of Tessera.Data.
    private const int Stream = 11 << 20;

    /// <summary>The distance of two whole sets.</summary>
    /// <param name="real">[N, D], at least 2.</param>
    /// <param name="fake">[M, D], at least 2.</param>
    /// <exception cref="ShapeException">The shapes do not fit, or there are fewer than 2 features.</exception>
    public static double Between(Tensor real, Tensor fake)
    {
        FeatureSets.Check(real, fake, 2);
        using var scope = new Scope();
        using var outside = Torch.NoGrad();
        return Measure(real.To(DType.Float64), fake.To(DType.Float64));
    }

    /// <summary>Mean and deviation of the distances of subsets.</summary>
    /// <param name="real">[N, D], at least 2.</param>
    /// <param name="fake">[M, D], at least 2.</param>
    /// <param name="subsets">Pairs of subsets, at least 1.</param>
    /// <param name="size">
    /// Features of a subset, at least 2, drawn without repetition. Where neither set has more, the whole sets are compared once.
    /// </param>
    /// <param name="seed">Of the draws.</param>
    /// <exception cref="ShapeException">The shapes do not fit, or there are fewer than 2 features.</exception>
    public static ScoreWithDeviation OverSubsets(Tensor real, Tensor fake, int subsets = 100, int size = 1000, ulong seed = 0)
    {
        FeatureSets.Check(real, fake, 2);
        ArgumentOutOfRangeException.ThrowIfLessThan(subsets, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(size, 2);
        using var scope = new Scope();
        using var outside = Torch.NoGrad();
        var (one, two) = (real.To(DType.Float64), fake.To(DType.Float64));
        if (one.Size(0) <= size && two.Size(0) <= size)
            return new(Measure(one, two), 0);
        return ScoreWithDeviation.Of([
            .. Enumerable
                .Range(0, subsets)
                .Select(subset =>
                {
                    using var own = new Scope();
                    return Measure(Drawn(one, subset, 0), Drawn(two, subset, 1));
                }),
        ]);

        Tensor Drawn(Tensor of, int subset, int side)
        {
            var rows = new long[of.Size(0)];
            for (var row = 0; row < rows.Length; row++)
                rows[row] = row;
            var random = new SampleRandom(seed, subset, side, Stream);
            var count = Math.Min(size, rows.Length);
            // The first places of a shuffle.
            for (var place = 0; place < count; place++)
            {
                var other = random.Between(place, rows.Length - 1);
                (rows[place], rows[other]) = (rows[other], rows[place]);
            }
            return of.IndexSelect(0, Tensor.From(rows.AsSpan(0, count)).To(of.Device));
        }
    }

    private static double Measure(Tensor real, Tensor fake)
    {
        var (n, m) = ((double)real.Size(0), (double)fake.Size(0));
        return Within(real) / (n * (n - 1)) + Within(fake) / (m * (m - 1)) - 2 * Kernel(real, fake).Sum().ToDouble() / (n * m);
    }

    // The sum over pairs of two different features.
    private static double Within(Tensor features)
    {
        var kernel = Kernel(features, features);
        return kernel.Sum().ToDouble() - kernel.Trace().ToDouble();
    }

    private static Tensor Kernel(Tensor one, Tensor other)
    {
        var plain = one.Matmul(other.MT) / one.Size(1) + 1;
        return plain * plain * plain;
    }
}
