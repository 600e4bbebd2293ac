using System.ComponentModel.DataAnnotations;
using Tessera.Optim;
using Tessera.Training.Recipes;

namespace Tessera.Training.Optimization;

/// <summary>Settings of Adam and its relatives: running means of the gradients and of their squares.</summary>
/// <param name="LearningRate">Learning rate at the top of the schedule, from 0 to 1000.</param>
/// <param name="WeightDecay">Decay of matrices, from 0 to 1000; vectors, biases, tokens and position tables have none.</param>
/// <param name="Beta1">Decay of the running mean of the gradients, from 0 to 1.</param>
/// <param name="Beta2">Decay of the running mean of the squared gradients, from 0 to 1.</param>
/// <param name="Eps">Constant that is added to the root of the mean square, from 0 to 1.</param>
/// <param name="LearningRateBatch">
/// Batch of all processes that the rate is meant for: it is scaled in proportion. Null takes it as it is.
/// </param>
/// <param name="DecayAll">Whether vectors, biases, tokens and position tables decay, too; false by default.</param>
/// <param name="LayerDecay">Factor of the learning rate from each block to the one before it, from 0 to 1 (none).</param>
public abstract record AdaptiveOptions(
    double LearningRate,
    double WeightDecay,
    [Range(0, 1)] double Beta1,
    [Range(0, 1)] double Beta2,
    [Range(0, 1)] double Eps,
    int? LearningRateBatch,
    bool DecayAll,
    double LayerDecay
) : OptimizerOptions(LearningRate, WeightDecay, LearningRateBatch, DecayAll, LayerDecay);

/// <inheritdoc cref="Adam"/>
[RecipeName("adam")]
public sealed record AdamOptions(
    double LearningRate = 1e-3,
    double WeightDecay = 0,
    double Beta1 = 0.9,
    double Beta2 = 0.999,
    double Eps = 1e-8,
    int? LearningRateBatch = null,
    bool DecayAll = false,
    double LayerDecay = 1
) : AdaptiveOptions(LearningRate, WeightDecay, Beta1, Beta2, Eps, LearningRateBatch, DecayAll, LayerDecay)
{
    /// <inheritdoc/>
    protected override Optimizer Create(IEnumerable<ParameterGroup> groups) => new Adam(groups, LearningRate, Beta1, Beta2, Eps);
}

/// <inheritdoc cref="AdamW"/>
/// <param name="LearningRate">Learning rate at the top of the schedule, from 0 to 1000.</param>
/// <param name="WeightDecay">Decay of matrices, from 0 to 1000; vectors, biases, tokens and position tables have none.</param>
/// <param name="Beta1">Decay of the running mean of the gradients, from 0 to 1.</param>
/// <param name="Beta2">Decay of the running mean of the squared gradients, from 0 to 1.</param>
/// <param name="Eps">Constant that is added to the root of the mean square, from 0 to 1.</param>
/// <param name="LearningRateBatch">
/// Batch of all processes that the rate is meant for: it is scaled in proportion. Null takes it as it is.
/// </param>
/// <param name="DecayAll">Whether vectors, biases, tokens and position tables decay, too; false by default.</param>
/// <param name="LayerDecay">Factor of the learning rate from each block to the one before it, from 0 to 1 (none).</param>
/// <param name="WeightDecayEnd">
/// Weight decay towards which a cosine over all steps leads, from 0 to 1000; by default the decay stays as it is.
/// </param>
[RecipeName("adamw")]
public sealed record AdamWOptions(
    double LearningRate = 1e-3,
    double WeightDecay = 0.05,
    double Beta1 = 0.9,
    double Beta2 = 0.999,
    double Eps = 1e-8,
    int? LearningRateBatch = null,
    bool DecayAll = false,
    double LayerDecay = 1,
    [Range(0, 1e3)] double? WeightDecayEnd = null
) : AdaptiveOptions(LearningRate, WeightDecay, Beta1, Beta2, Eps, LearningRateBatch, DecayAll, LayerDecay)
{
    /// <summary>Weight decay towards which a cosine over all steps leads; null where it stays as it is.</summary>
    public double? WeightDecayEnd { get; init; } =
        WeightDecayEnd is null || WeightDecay > 0
            ? WeightDecayEnd
            : throw new ArgumentException("weight_decay_end needs a weight_decay above 0 to begin with");

    /// <inheritdoc/>
    public override double DecayScale(long step, long steps) =>
        WeightDecayEnd is { } end ? CosineRamp.At(WeightDecay, end, step, steps) / WeightDecay : 1;

    /// <inheritdoc/>
    protected override Optimizer Create(IEnumerable<ParameterGroup> groups) => new AdamW(groups, LearningRate, Beta1, Beta2, Eps);
}
