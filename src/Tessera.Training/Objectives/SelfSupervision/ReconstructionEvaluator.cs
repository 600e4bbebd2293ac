using Tessera.Data;
using Tessera.Distributed;

namespace Tessera.Training.Objectives.SelfSupervision;

/// <summary>What was found in a batch.</summary>
/// <param name="Masked">Difference of each image where pixels were destroyed, [B].</param>
/// <param name="MeanColor">The same of the images' mean colours, [B].</param>
/// <param name="Turns">Number of turns that were told; null where they are not learned.</param>
internal sealed record ReconstructionFigures(Tensor Masked, Tensor MeanColor, long? Turns);

/// <summary>Measures features, and how well destroyed parts of images are rebuilt from them.</summary>
/// <param name="features">Measures the features.</param>
/// <param name="rebuild">Rebuilds the images of a batch.</param>
internal sealed class ReconstructionEvaluator(Evaluator features, Func<Batch, ReconstructionFigures> rebuild) : Evaluator
{
    private readonly Lock adding = new();
    private double masked,
        meanColor;
    private long count,
        told;
    private bool learnsTurns;

    /// <inheritdoc/>
    public override FeatureBank? Bank => features.Bank;

    /// <inheritdoc/>
    public override void Add(Batch batch)
    {
        using var scope = new Scope();
        var found = rebuild(batch);
        var (ownMasked, ownMean) = (Sum(found.Masked), Sum(found.MeanColor));
        features.Add(batch);
        lock (adding)
        {
            (masked, meanColor, count) = (masked + ownMasked, meanColor + ownMean, count + batch.Count);
            (told, learnsTurns) = (told + (found.Turns ?? 0), found.Turns is not null);
        }
    }

    private static double Sum(Tensor values) => values.Detach().To(DType.Float64).Sum().ToDouble();

    /// <inheritdoc/>
    public override void Join(ProcessGroup group)
    {
        features.Join(group);
        var all = group.Sum([masked, meanColor, count, told, learnsTurns ? 1 : 0]);
        (masked, meanColor, count, told, learnsTurns) = (all[0], all[1], (long)all[2], (long)all[3], all[4] > 0);
    }

    /// <inheritdoc/>
    public override ReconstructionMetrics Measure()
    {
        if (count == 0)
            throw new InvalidOperationException("there are no samples to measure");
        return new(features.Measure(), masked / count, meanColor / count, learnsTurns ? told / (double)count : null);
    }
}
