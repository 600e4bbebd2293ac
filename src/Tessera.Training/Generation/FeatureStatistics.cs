using Tessera.Distributed;

namespace Tessera.Training.Generation;

/// <summary>
/// Mean and covariance of features, in float64, gathered batch by batch without holding the features (Chan et al., 1979). Threads may add
/// at once.
/// </summary>
/// <param name="dimension">Numbers of a feature.</param>
public sealed class FeatureStatistics(int dimension) : IDisposable
{
    private readonly Lock adding = new();
    private readonly Tensor mean = Torch.Scope(() => Torch.Zeros([dimension], DType.Float64)).Keep(),
        scatter = Torch.Scope(() => Torch.Zeros([dimension, dimension], DType.Float64)).Keep();

    /// <summary>Numbers of a feature.</summary>
    public int Dimension => dimension;

    /// <summary>How many features there are.</summary>
    public long Count { get; private set; }

    /// <summary>Statistics of features that are there already.</summary>
    /// <param name="features">[N, D].</param>
    public static FeatureStatistics Of(Tensor features)
    {
        if (features.Dim != 2)
            throw new ShapeException($"features must be [N, D], not {features.Shape}");
        var statistics = new FeatureStatistics((int)features.Size(1));
        statistics.Add(features);
        return statistics;
    }

    /// <summary>Takes in features.</summary>
    /// <param name="features">[B, D], on any device.</param>
    /// <exception cref="ShapeException">They have another shape.</exception>
    public void Add(Tensor features)
    {
        if (features.Dim != 2 || features.Size(1) != dimension)
            throw new ShapeException($"features must be [B, {dimension}], not {features.Shape}");
        if (features.Size(0) == 0)
            return;
        using var scope = new Scope();
        using var outside = Torch.NoGrad();
        using var exact = Torch.Autocast(device: features.Device.Type, enabled: false);
        var rows = features.Detach().To(DType.Float64).To(Device.Cpu);
        var own = rows.Mean([0]);
        var centered = rows - own;
        var products = centered.MT.Matmul(centered);
        lock (adding)
            Merge(rows.Size(0), own, products);
    }

    // The features of both sets around their common mean.
    private void Merge(long others, Tensor othersMean, Tensor othersScatter)
    {
        var all = Count + others;
        var between = othersMean - mean;
        scatter.Add_(othersScatter);
        scatter.Add_(between.Unsqueeze(1) * between * (Count * (double)others / all));
        mean.Add_(between * (others / (double)all));
        Count = all;
    }

    /// <summary>Adds what other processes have gathered; all have the same afterwards.</summary>
    /// <param name="group">The processes.</param>
    public void Join(ProcessGroup group)
    {
        using var scope = new Scope();
        using var outside = Torch.NoGrad();
        var all = (long)group.Sum(Count)[0];
        if (all == 0)
            return;
        var common = mean * (Count / (double)all);
        group.AllReduce(common);
        var off = mean - common;
        var joined = scatter + off.Unsqueeze(1) * off * (double)Count;
        group.AllReduce(joined);
        scatter.Copy_(joined);
        mean.Copy_(common);
        Count = all;
    }

    /// <summary>Mean [D], owned by the current scope.</summary>
    public Tensor Mean => mean.Clone();

    /// <summary>Covariance [D, D] with divisor N - 1, owned by the current scope.</summary>
    /// <exception cref="InvalidOperationException">There are fewer than two features.</exception>
    public Tensor Covariance =>
        Count >= 2
            ? scatter / (Count - 1)
            : throw new InvalidOperationException($"a covariance needs at least 2 features, and there are {Count}");

    /// <summary>Whether all features were finite.</summary>
    internal bool IsFinite => Torch.Scope(() => scatter.Isfinite().All()).ToInt64() != 0;

    /// <inheritdoc/>
    public void Dispose()
    {
        mean.Dispose();
        scatter.Dispose();
    }
}
