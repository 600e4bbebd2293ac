using System.ComponentModel.DataAnnotations;
using Tessera.Optim;
using Tessera.Training.Recipes;

namespace Tessera.Training.Optimization;

/// <inheritdoc cref="Rmsprop"/>
/// <param name="LearningRate">Learning rate at the top of the schedule, from 0 to 1000.</param>
/// <param name="WeightDecay">Decay of matrices, from 0 to 1000; vectors, biases, tokens and position tables have none.</param>
/// <param name="Alpha">Decay of the running mean of the squared gradients, from 0 to 1.</param>
/// <param name="Eps">Constant that is added to the root of the mean square, from 0 to 1.</param>
/// <param name="Momentum">Share of the last update that is kept, from 0 to 1.</param>
/// <param name="LearningRateBatch">
/// Batch of all processes that the rate is meant for: it is scaled in proportion. Null takes it as it is.
/// </param>
/// <param name="DecayAll">Whether vectors, biases, tokens and position tables decay, too; false by default.</param>
/// <param name="LayerDecay">Factor of the learning rate from each block to the one before it, from 0 to 1 (none).</param>
[RecipeName("rmsprop")]
public sealed record RmspropOptions(
    double LearningRate = 1e-2,
    double WeightDecay = 0,
    [Range(0, 1)] double Alpha = 0.99,
    [Range(0, 1)] double Eps = 1e-8,
    [Range(0, 1)] double Momentum = 0,
    int? LearningRateBatch = null,
    bool DecayAll = false,
    double LayerDecay = 1
) : OptimizerOptions(LearningRate, WeightDecay, LearningRateBatch, DecayAll, LayerDecay)
{
    /// <inheritdoc/>
    protected override Optimizer Create(IEnumerable<ParameterGroup> groups) => new Rmsprop(groups, LearningRate, Alpha, Eps, Momentum);
}
