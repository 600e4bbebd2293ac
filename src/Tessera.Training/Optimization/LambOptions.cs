using System.ComponentModel.DataAnnotations;
using Tessera.Optim;
using Tessera.Training.Recipes;

namespace Tessera.Training.Optimization;

/// <inheritdoc cref="Lamb"/>
/// <param name="LearningRate">Learning rate at the top of the schedule, from 0 to 1000.</param>
/// <param name="WeightDecay">Decay of matrices, from 0 to 1000; vectors, biases, tokens and position tables have none.</param>
/// <param name="Beta1">Decay of the running mean of the gradients, from 0 to 1.</param>
/// <param name="Beta2">Decay of the running mean of the squared gradients, from 0 to 1.</param>
/// <param name="Eps">Constant that is added to the root of the mean square, from 0 to 1.</param>
/// <param name="MaxNorm">Largest joint norm of the gradients, which are scaled down to it; 0 leaves them.</param>
/// <param name="LearningRateBatch">
/// Batch of all processes that the rate is meant for: it is scaled in proportion. Null takes it as it is.
/// </param>
/// <param name="DecayAll">Whether vectors, biases, tokens and position tables decay, too; false by default.</param>
/// <param name="LayerDecay">Factor of the learning rate from each block to the one before it, from 0 to 1 (none).</param>
[RecipeName("lamb")]
public sealed record LambOptions(
    double LearningRate = 5e-3,
    double WeightDecay = 0.02,
    double Beta1 = 0.9,
    double Beta2 = 0.999,
    double Eps = 1e-6,
    [Range(0, 1e12)] double MaxNorm = 1,
    int? LearningRateBatch = null,
    bool DecayAll = false,
    double LayerDecay = 1
) : AdaptiveOptions(LearningRate, WeightDecay, Beta1, Beta2, Eps, LearningRateBatch, DecayAll, LayerDecay)
{
    /// <inheritdoc/>
    protected override Optimizer Create(IEnumerable<ParameterGroup> groups) =>
        new Lamb(groups, LearningRate, Beta1, Beta2, Eps, MaxNorm == 0 ? null : MaxNorm);
}
