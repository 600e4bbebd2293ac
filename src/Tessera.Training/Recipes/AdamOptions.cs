using System.ComponentModel.DataAnnotations;
using Tessera.Optim;

namespace Tessera.Training;

/// <inheritdoc cref="Adam"/>
/// <param name="Lr">Learning rate at the top of the schedule.</param>
/// <param name="WeightDecay">Decay of matrices.</param>
/// <param name="Beta1">Decay of the mean of the gradients.</param>
/// <param name="Beta2">Decay of the mean of their squares.</param>
/// <param name="Eps">Added to the root of the squares.</param>
/// <param name="LrBatch">The global batch that the learning rate is meant for.</param>
/// <param name="DecayAll">Whether everything decays.</param>
/// <param name="LayerDecay">Factor of the learning rate from each block to the one before it.</param>
[RecipeName("adam")]
public sealed record AdamOptions(
    [Range(0, 1e3)] double Lr = 1e-3,
    [Range(0, 1e3)] double WeightDecay = 0,
    [Range(0, 1)] double Beta1 = 0.9,
    [Range(0, 1)] double Beta2 = 0.999,
    [Range(0, 1)] double Eps = 1e-8,
    [Range(1, int.MaxValue)] int? LrBatch = null,
    bool DecayAll = false,
    [Range(0, 1)] double LayerDecay = 1) : OptimizerOptions(Lr, WeightDecay, LrBatch, DecayAll, LayerDecay)
{
    /// <inheritdoc/>
    protected override Optimizer Create(IEnumerable<ParameterGroup> groups) => new Adam(groups, Lr, Beta1, Beta2, Eps);
}
