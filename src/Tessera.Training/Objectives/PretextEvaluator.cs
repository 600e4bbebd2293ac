using Tessera.Data;
using Tessera.Distributed;
using Tessera.Models;
using Tessera.Training.Probes;

namespace Tessera.Training.Objectives;

/// <summary>
/// Measures a method of pre-training: its own loss on every sample, and a weighted kNN probe of the frozen features, which are the class
/// token of the ViT behind the last norm, not projected. The bank is at most <see cref="MostNeighbors"/> training samples, spread evenly.
/// </summary>
/// <param name="encoder">The ViT whose features are probed.</param>
/// <param name="context">Classes and training samples.</param>
/// <param name="names">Names of the losses; the first is the method's.</param>
/// <param name="losses">Gives the losses of every sample of a batch, [B] each, in the order of the names.</param>
internal sealed class PretextEvaluator(
    Vit encoder,
    EvaluatorContext context,
    IReadOnlyList<string> names,
    Func<Batch, IReadOnlyList<Tensor>> losses
) : Evaluator
{
    /// <summary>Size of the bank at most.</summary>
    internal const int MostNeighbors = 5000;

    // The bank is a part of the training samples: as many neighbours as for a whole one (200) would be most of a class.
    private const int Neighbors = 20;
    private const double Temperature = 0.07;

    private readonly double[] sums = new double[names.Count];
    private int count,
        right;

    /// <inheritdoc/>
    public override FeatureBank? Bank { get; } =
        context.Bank is { } samples ? new(samples(MostNeighbors), batch => ClassToken(encoder, batch)) : null;

    private static Tensor ClassToken(Vit encoder, Batch batch) => encoder.ForwardFeatures(batch.Inputs).Select(1, 0).To(DType.Float32);

    /// <inheritdoc/>
    public override void Add(Batch batch)
    {
        using var scope = new Scope();
        double[] added = [.. losses(batch).Select(loss => loss.Detach().To(DType.Float64).Sum().ToDouble())];
        var hits = Bank is null ? 0 : Hits(batch);
        // Threads may add at once.
        lock (sums)
        {
            for (var i = 0; i < sums.Length; i++)
                sums[i] += added[i];
            (count, right) = (count + batch.Count, right + hits);
        }
    }

    private int Hits(Batch batch)
    {
        var labels = ClassTargets.Of(batch).Labels;
        var features = ClassToken(encoder, batch);
        var device = features.Device;
        // Similarities in full precision, whatever the model computes in.
        using var exact = Torch.Autocast(device: device.Type, enabled: false);
        var scores = NearestNeighbors.WeightedScores(
            features,
            Bank!.Features.To(device),
            Bank.Labels.To(device),
            context.Classes.Count,
            Neighbors,
            Temperature
        );
        return (int)NearestNeighbors.Predictions(scores).Eq(labels).Sum().ToInt64();
    }

    /// <inheritdoc/>
    public override void Join(ProcessGroup group)
    {
        var all = group.Sum([count, right, .. sums]);
        (count, right) = ((int)all[0], (int)all[1]);
        all.AsSpan(2).CopyTo(sums);
    }

    /// <inheritdoc/>
    public override PretextMetrics Measure()
    {
        if (count == 0)
            throw new InvalidOperationException("there are no samples to measure");
        var means = new OrderedDictionary<string, double>();
        foreach (var (name, sum) in names.Zip(sums))
            means.Add(name, sum / count);
        return new(count, means, Bank is null ? null : right / (double)count);
    }
}
