using System.ComponentModel.DataAnnotations;
using Tessera.Optim;
using Tessera.Training.Recipes;

namespace Tessera.Training.Optimization;

/// <inheritdoc cref="Rmsprop"/>
/// <param name="Lr">Learning rate at the top of the schedule.</param>
/// <param name="WeightDecay">Decay of matrices.</param>
/// <param name="Alpha">Decay of the mean of the squared gradients.</param>
/// <param name="Eps">Added to the root of the squares.</param>
/// <param name="Momentum">Share of the last update that is kept.</param>
/// <param name="LrBatch">The global batch that the learning rate is meant for.</param>
/// <param name="DecayAll">Whether everything decays.</param>
/// <param name="LayerDecay">Factor of the learning rate from each block to the one before it.</param>
[RecipeName("rmsprop")]
public sealed record RmspropOptions(
    double Lr = 1e-2,
    double WeightDecay = 0,
    [Range(0, 1)] double Alpha = 0.99,
    [Range(0, 1)] double Eps = 1e-8,
    [Range(0, 1)] double Momentum = 0,
    int? LrBatch = null,
    bool DecayAll = false,
    double LayerDecay = 1
) : OptimizerOptions(Lr, WeightDecay, LrBatch, DecayAll, LayerDecay)
{
    /// <inheritdoc/>
    protected override Optimizer Create(IEnumerable<ParameterGroup> groups) => new Rmsprop(groups, Lr, Alpha, Eps, Momentum);
}
