using System.ComponentModel.DataAnnotations;
using Tessera.Training.Losses;
using Tessera.Training.Recipes;

namespace Tessera.Training.Tasks.MultiLabel;

/// <summary>Loss of logits against sets of classes.</summary>
/// <param name="SumClasses">Sums over the classes instead of averaging; the mean over the batch is taken either way.</param>
public abstract record MultiLabelLoss(bool SumClasses)
{
    /// <summary>The loss of a batch, a scalar.</summary>
    /// <param name="logits">Logits of B samples and C classes, [B, C].</param>
    /// <param name="targets">Labels, [B, C], each in [0, 1]: smoothed or mixed ones lie in between.</param>
    public Tensor Compute(Tensor logits, Tensor targets) =>
        Torch.Scope(() =>
        {
            var each = PerClass(logits, targets); // [B, C]
            return SumClasses ? each.Sum([1]).Mean() : each.Mean();
        });

    /// <summary>The loss of every sample and class, [B, C].</summary>
    protected abstract Tensor PerClass(Tensor logits, Tensor targets);
}

/// <summary>Binary cross-entropy: every class a question of its own.</summary>
/// <param name="SumClasses">Sums over the classes instead of averaging.</param>
/// <param name="PositiveWeight">Weight of a present class against an absent one, from 1e-6 to 1e6; 1 by default.</param>
[RecipeName("bce")]
public sealed record BinaryCrossEntropyLoss(bool SumClasses = false, [Range(1e-6, 1e6)] double PositiveWeight = 1)
    : MultiLabelLoss(SumClasses)
{
    /// <inheritdoc/>
    protected override Tensor PerClass(Tensor logits, Tensor targets) =>
        MultiLabelLosses.BinaryCrossEntropy(logits, targets, PositiveWeight);
}

/// <summary>
/// Asymmetric loss (Ridnik et al., 2020, arXiv:2009.14119). The authors sum over the batch, too: their loss is this one times the batch
/// size, and a step of Adam is the same but for rounding.
/// </summary>
/// <param name="GammaNeg">Focusing exponent gamma- of absent classes, from 0 (no focus) to 100; 4 by default.</param>
/// <param name="GammaPos">Focusing exponent gamma+ of present classes, from 0 (the default) to 100.</param>
/// <param name="Clip">Probability below which absent classes count nothing, from 0 to 0.999; 0.05 by default.</param>
/// <param name="SumClasses">Sums over the classes, as the authors do, instead of averaging.</param>
/// <param name="FocusGradient">Whether gradients flow through the weights of the focusing, too. The authors train without.</param>
[RecipeName("asymmetric")]
public sealed record AsymmetricLoss(
    [Range(0.0, 100)] double GammaNeg = 4,
    [Range(0.0, 100)] double GammaPos = 0,
    [Range(0, 0.999)] double Clip = 0.05,
    bool SumClasses = true,
    bool FocusGradient = false
) : MultiLabelLoss(SumClasses)
{
    /// <summary>Whether gradients flow through the weights of the focusing, too.</summary>
    public bool FocusGradient { get; init; } =
        FocusGradient && (GammaNeg is > 0 and < 1 || GammaPos is > 0 and < 1)
            ? throw new ArgumentException(
                "focus_gradient needs gammas of 0 or at least 1: in between the gradient of a sure answer is infinite"
            )
            : FocusGradient;

    /// <inheritdoc/>
    protected override Tensor PerClass(Tensor logits, Tensor targets) =>
        MultiLabelLosses.Asymmetric(logits, targets, GammaNeg, GammaPos, Clip, FocusGradient);
}
