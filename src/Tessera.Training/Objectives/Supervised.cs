using System.ComponentModel.DataAnnotations;
using Tessera.Data;
using Tessera.Models;

namespace Tessera.Training;

/// <summary>How logits are held against labels.</summary>
public enum ClassificationLoss
{
    /// <summary>One of the classes is right: cross-entropy.</summary>
    CrossEntropy,

    /// <summary>Every class is a question of its own: binary cross-entropy.</summary>
    Bce,
}

/// <summary>Learning from labels, or from the soft targets of a batch that has them (smoothing is inside of those already).</summary>
/// <param name="smoothing">Label smoothing, in [0, 1).</param>
/// <param name="kind">Cross-entropy or binary cross-entropy.</param>
/// <param name="threshold">Binary: targets above it count as 1, others as 0.</param>
/// <param name="sumClasses">Binary: sums over the classes instead of averaging.</param>
public sealed class Supervised(
    double smoothing = 0,
    ClassificationLoss kind = ClassificationLoss.CrossEntropy,
    double? threshold = null,
    bool sumClasses = false
) : Objective
{
    /// <inheritdoc/>
    public override bool IsOnePass => true;

    /// <inheritdoc/>
    protected override Loss ForwardLoss(Backbone student, Batch batch, Progress progress)
    {
        var logits = student.Run(new(batch.Inputs, batch.Mask)).Logits;
        var loss =
            kind == ClassificationLoss.CrossEntropy
                ? Base(logits, batch, smoothing)
                : Losses.BinaryCrossEntropy(
                    logits,
                    batch.Targets ?? Losses.Smoothed(batch.Labels, logits.Size(1), smoothing),
                    threshold,
                    sumClasses
                );
        return new(loss) { Logits = logits };
    }

    /// <summary>The cross-entropy of logits against whatever the batch has.</summary>
    internal static Tensor Base(Tensor logits, Batch batch, double smoothing) =>
        batch.Targets is { } targets ? Losses.SoftCrossEntropy(logits, targets) : Losses.CrossEntropy(logits, batch.Labels, smoothing);
}

/// <summary>Learning from labels.</summary>
/// <param name="Smoothing">Label smoothing.</param>
/// <param name="Loss">cross_entropy or bce.</param>
/// <param name="Threshold">Bce: targets above it count as 1, others as 0 (0.2 in published recipes); none by default.</param>
/// <param name="SumClasses">Bce: sums over the classes instead of averaging.</param>
[RecipeName("supervised")]
public sealed record SupervisedOptions(
    [Range(0, 0.999)] double Smoothing = 0,
    ClassificationLoss Loss = ClassificationLoss.CrossEntropy,
    [Range(0, 1)] double? Threshold = null,
    bool SumClasses = false
) : ObjectiveOptions
{
    /// <summary>Kind of loss.</summary>
    public ClassificationLoss Loss { get; init; } =
        Loss == ClassificationLoss.Bce || (Threshold is null && !SumClasses)
            ? Loss
            : throw new ArgumentException("threshold and sum_classes belong to loss: bce");

    /// <inheritdoc/>
    public override double TargetSmoothing => Smoothing;

    /// <inheritdoc/>
    public override Objective Create(ObjectiveContext context) => new Supervised(Smoothing, Loss, Threshold, SumClasses);
}
