using Tessera.Data;
using Tessera.Distributed;
using Tessera.Training.Probes;

namespace Tessera.Training.Objectives.SelfSupervision;

/// <summary>
/// Measures frozen features: nearest neighbours among training samples (Wu et al., 2018, arXiv:1805.01978), the online probe, and how many
/// dimensions the features use. Without classes only the last is measured.
/// </summary>
/// <param name="features">Gives the features [B, D] of a batch.</param>
/// <param name="probe">The online probe; null for none.</param>
/// <param name="context">Classes and training samples.</param>
internal sealed class FeatureEvaluator(Func<Batch, Tensor> features, OnlineProbe? probe, EvaluatorContext context) : Evaluator
{
    /// <summary>Size of the bank at most.</summary>
    internal const int MostNeighbors = 5000;

    private const int Neighbors = 20;
    private const double Temperature = 0.07;

    private readonly Lock adding = new();
    private double[] sum = [],
        products = [];
    private int count,
        near,
        right;

    /// <inheritdoc/>
    public override FeatureBank? Bank { get; } =
        context.Bank is { } samples ? new(samples(MostNeighbors), batch => features(batch).To(DType.Float32)) : null;

    /// <inheritdoc/>
    public override void Add(Batch batch)
    {
        using var scope = new Scope();
        var found = features(batch).Detach().To(DType.Float32);
        // In full precision, whatever the model computes in.
        using var exact = Torch.Autocast(device: found.Device.Type, enabled: false);
        var rows = CollapseWatch.Normalize(found).To(DType.Float64); // [B, D]
        var (ownSum, ownProducts) = (rows.Sum(0).ToArray<double>(), rows.MT.Matmul(rows).Reshape(-1).ToArray<double>());
        var hits = Bank is null ? 0 : Hits(Near(found), batch);
        var answers = probe is null ? 0 : Hits(probe.Logits(found), batch);
        lock (adding)
        {
            (sum, products) = (Added(sum, ownSum), Added(products, ownProducts));
            (count, near, right) = (count + batch.Count, near + hits, right + answers);
        }
    }

    private Tensor Near(Tensor found) =>
        NearestNeighbors.WeightedScores(
            found,
            Bank!.Features.To(found.Device),
            Bank.Labels.To(found.Device),
            context.Classes.Count,
            Neighbors,
            Temperature
        );

    private static int Hits(Tensor scores, Batch batch) =>
        (int)NearestNeighbors.Predictions(scores).Eq(ClassTargets.Of(batch).Labels).Sum().ToInt64();

    private static double[] Added(double[] all, double[] own) => all.Length == 0 ? own : [.. all.Zip(own, (a, b) => a + b)];

    /// <inheritdoc/>
    public override void Join(ProcessGroup group)
    {
        var width = (int)group.Sum(sum.Length)[0] / group.Size;
        var all = group.Sum([
            count,
            near,
            right,
            .. sum.Length == 0 ? new double[width] : sum,
            .. products.Length == 0 ? new double[width * width] : products,
        ]);
        (count, near, right) = ((int)all[0], (int)all[1], (int)all[2]);
        (sum, products) = (all[3..(3 + width)], all[(3 + width)..]);
    }

    /// <inheritdoc/>
    public override FeatureMetrics Measure()
    {
        if (count == 0)
            throw new InvalidOperationException("there are no samples to measure");
        return new(
            count,
            Bank is null ? null : near / (double)count,
            Bank is null || probe is null ? null : right / (double)count,
            EffectiveRank()
        );
    }

    // exp of the entropy of the normalised singular values (Roy and Vetterli, 2007), of which those of the centred features are the roots
    // of the covariance's eigenvalues.
    private double EffectiveRank()
    {
        using var scope = new Scope();
        var mean = Tensor.From(sum) / count;
        var width = sum.Length;
        var covariance = Tensor.From(products, width, width) / count - mean.Unsqueeze(1) * mean;
        var values = covariance.LinalgEigvalsh().ClampMin(0).Sqrt();
        var shares = values / values.Sum().ClampMin(1e-300);
        return shares.Xlogy(shares).Sum().Neg().Exp().ToDouble();
    }
}
