using System.ComponentModel.DataAnnotations;
using Tessera.Optim;
using Tessera.Training.Recipes;

namespace Tessera.Training.Optimization;

/// <summary>How a learning rate grows with the batch.</summary>
public enum LearningRateScaling
{
    /// <summary>In proportion.</summary>
    Linear,

    /// <summary>With the square root of the batch: SimCLR's other rule is lr: 0.075 with lr_batch: 1.</summary>
    Sqrt,
}

/// <inheritdoc cref="Lars"/>
/// <param name="LearningRate">Learning rate at the top of the schedule, from 0 to 1000.</param>
/// <param name="WeightDecay">Decay of matrices, from 0 to 1000; vectors, biases, tokens and position tables have none.</param>
/// <param name="Momentum">Share of the last update that is kept, from 0 to 1.</param>
/// <param name="Trust">Step of a tensor as a share of its norm, at learning rate 1.</param>
/// <param name="Form">Which of the published forms.</param>
/// <param name="Nesterov">Whether the gradient is taken as if the momentum had been applied already.</param>
/// <param name="Eps">Added to the denominator of timm's ratio.</param>
/// <param name="LearningRateBatch">
/// Batch of all processes that the rate is meant for: it is scaled in proportion. Null takes it as it is.
/// </param>
/// <param name="DecayAll">Whether vectors, biases, tokens and position tables decay, too; false by default.</param>
/// <param name="LayerDecay">Factor of the learning rate from each block to the one before it, from 0 to 1 (none).</param>
/// <param name="Scaling">How the rate grows with the batch where lr_batch is given: linear (the default) or sqrt.</param>
[RecipeName("lars")]
public sealed record LarsOptions(
    double LearningRate = 0.3,
    double WeightDecay = 1e-6,
    [Range(0, 1)] double Momentum = 0.9,
    [Range(0, 1e3)] double Trust = 0.001,
    LarsForm Form = LarsForm.Timm,
    bool Nesterov = false,
    [Range(0, 1)] double Eps = 1e-8,
    int? LearningRateBatch = null,
    bool DecayAll = false,
    double LayerDecay = 1,
    [RecipeName("lr_scaling")] LearningRateScaling Scaling = LearningRateScaling.Linear
) : OptimizerOptions(LearningRate, WeightDecay, LearningRateBatch, DecayAll, LayerDecay)
{
    /// <inheritdoc/>
    public override double TopLearningRate(int batch) =>
        Scaling == LearningRateScaling.Sqrt && LearningRateBatch is { } per
            ? LearningRate * Math.Sqrt(batch / (double)per)
            : base.TopLearningRate(batch);

    /// <inheritdoc/>
    protected override Optimizer Create(IEnumerable<ParameterGroup> groups) =>
        new Lars(groups, LearningRate, Momentum, Trust, Form, Nesterov, Eps);
}
