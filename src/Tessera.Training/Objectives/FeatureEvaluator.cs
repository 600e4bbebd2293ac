using Tessera.Data;
using Tessera.Distributed;
using Tessera.Training.Probes;

namespace Tessera.Training.Objectives;

/// <summary>
/// Measures frozen features: weighted nearest neighbours among training samples (Wu et al., 2018, arXiv:1805.01978), a linear classifier
/// that learnt along, how many dimensions the features use, and a method's own losses where it has some that samples can be measured by.
/// Without classes, figures that need them are left out.
/// </summary>
/// <param name="features">Gives the features [B, D] of a batch, before any projection head.</param>
/// <param name="context">Classes, and the training samples that neighbours are looked for among.</param>
internal sealed class FeatureEvaluator(Func<Batch, Tensor> features, EvaluatorContext context) : Evaluator
{
    private readonly Lock adding = new();
    private readonly bool labelled = context.Bank is not null;
    private double[] sum = [],
        products = [],
        losses = [];
    private int count,
        near,
        right;

    /// <summary>Logits [B, classes] of features by the classifier that learnt along; null for none.</summary>
    internal Func<Tensor, Tensor>? Classifier { get; init; }

    /// <summary>Names of the method's losses, of which the first is the primary score; empty for none.</summary>
    internal IReadOnlyList<string> LossNames { get; init; } = [];

    /// <summary>Gives the losses of every sample of a batch, [B] each, in the order of their names.</summary>
    internal Func<Batch, IReadOnlyList<Tensor>>? Losses { get; init; }

    /// <inheritdoc/>
    public override FeatureBank? Bank { get; } =
        context.Bank is { } samples && context.BankSize > 0 ? new(samples(context.BankSize), features) : null;

    /// <inheritdoc/>
    public override void Add(Batch batch)
    {
        using var scope = new Scope();
        double[] ownLosses = [.. (Losses?.Invoke(batch) ?? []).Select(loss => loss.Detach().To(DType.Float64).Sum().ToDouble())];
        var found = features(batch).Detach().To(DType.Float32);
        // In full precision, whatever the model computes in.
        using var exact = Torch.Autocast(device: found.Device.Type, enabled: false);
        var rows = NearestNeighbors.Normalize(found.To(DType.Float64)); // [B, D]
        var (ownSum, ownProducts) = (rows.Sum(0).ToArray<double>(), rows.MT.Matmul(rows).Reshape(-1).ToArray<double>());
        var hits = Bank is null ? 0 : Hits(Near(found), batch);
        var answers = Classifier is null || !labelled ? 0 : Hits(Classifier(found), batch);
        // Threads may add at once.
        lock (adding)
        {
            (sum, products, losses) = (Added(sum, ownSum), Added(products, ownProducts), Added(losses, ownLosses));
            (count, near, right) = (count + batch.Count, near + hits, right + answers);
        }
    }

    private Tensor Near(Tensor found) =>
        NearestNeighbors.WeightedScores(
            found,
            Bank!.Features.To(found.Device),
            Bank.Labels.To(found.Device),
            context.Classes.Count,
            context.Neighbors,
            context.Temperature
        );

    private static int Hits(Tensor scores, Batch batch) =>
        (int)NearestNeighbors.Predictions(scores).Eq(ClassTargets.Of(batch).Labels).Sum().ToInt64();

    private static double[] Added(double[] all, double[] own)
    {
        if (all.Length == 0)
            return own;
        for (var i = 0; i < all.Length; i++)
            all[i] += own[i];
        return all;
    }

    /// <inheritdoc/>
    public override void Join(ProcessGroup group)
    {
        // A process that none of the samples fell to does not know how wide the features are.
        var width = group.AllGather(Tensor.From<long>([sum.Length])).ToArray<long>().Max();
        var all = group.Sum([count, near, right, .. Of(losses, LossNames.Count), .. Of(sum, width), .. Of(products, width * width)]);
        (count, near, right) = ((int)all[0], (int)all[1], (int)all[2]);
        var (afterLosses, afterSum) = (3 + LossNames.Count, 3 + LossNames.Count + (int)width);
        (losses, sum, products) = (all[3..afterLosses], all[afterLosses..afterSum], all[afterSum..]);

        static double[] Of(double[] own, long length) => own.Length == 0 ? new double[length] : own;
    }

    /// <inheritdoc/>
    public override FeatureMetrics Measure()
    {
        if (count == 0)
            throw new InvalidOperationException("there are no samples to measure");
        var means = new OrderedDictionary<string, double>();
        foreach (var (name, total) in LossNames.Zip(losses))
            means.Add(name, total / count);
        return new(
            count,
            Bank is null ? null : near / (double)count,
            Classifier is null || !labelled ? null : right / (double)count,
            EffectiveRank()
        )
        {
            Losses = means,
        };
    }

    private double EffectiveRank()
    {
        using var scope = new Scope();
        var (mean, width) = (Tensor.From(sum) / count, sum.Length);
        return FeatureSpread.EffectiveRank(Tensor.From(products, width, width) / count - mean.Unsqueeze(1) * mean);
    }
}
