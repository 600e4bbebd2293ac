using System.ComponentModel.DataAnnotations;
using Tessera.Optim;
using Tessera.Training.Recipes;

namespace Tessera.Training.Optimization;

/// <inheritdoc cref="Lamb"/>
/// <param name="Lr">Learning rate at the top of the schedule.</param>
/// <param name="WeightDecay">Decay of matrices.</param>
/// <param name="Beta1">Decay of the mean of the gradients.</param>
/// <param name="Beta2">Decay of the mean of their squares.</param>
/// <param name="Eps">Added to the root of the squares.</param>
/// <param name="MaxNorm">Largest joint norm of the gradients, which are scaled down to it; 0 leaves them.</param>
/// <param name="LrBatch">The global batch that the learning rate is meant for.</param>
/// <param name="DecayAll">Whether everything decays.</param>
/// <param name="LayerDecay">Factor of the learning rate from each block to the one before it.</param>
[RecipeName("lamb")]
public sealed record LambOptions(
    double Lr = 5e-3,
    double WeightDecay = 0.02,
    double Beta1 = 0.9,
    double Beta2 = 0.999,
    double Eps = 1e-6,
    [Range(0, 1e12)] double MaxNorm = 1,
    int? LrBatch = null,
    bool DecayAll = false,
    double LayerDecay = 1
) : AdaptiveOptions(Lr, WeightDecay, Beta1, Beta2, Eps, LrBatch, DecayAll, LayerDecay)
{
    /// <inheritdoc/>
    protected override Optimizer Create(IEnumerable<ParameterGroup> groups) =>
        new Lamb(groups, Lr, Beta1, Beta2, Eps, MaxNorm == 0 ? null : MaxNorm);
}
