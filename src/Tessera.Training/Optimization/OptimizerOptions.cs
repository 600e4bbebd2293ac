using System.ComponentModel.DataAnnotations;
using Tessera.Models;
using Tessera.Optim;
using Tessera.Training.Recipes;

namespace Tessera.Training.Optimization;

/// <summary>
/// Settings of an optimiser. A recipe outside of the ranges is refused with a <see cref="RecipeException"/> that names the field.
/// </summary>
/// <param name="LearningRate">Learning rate at the top of the schedule, from 0 to 1000.</param>
/// <param name="WeightDecay">Decay of matrices; vectors, biases, tokens and position tables have none.</param>
/// <param name="LearningRateBatch">
/// Batch of all processes that the rate is meant for: it is scaled in proportion. Null takes it as it is.
/// </param>
/// <param name="DecayAll">Whether everything decays, as in the basic script of the compact transformers.</param>
/// <param name="LayerDecay">Factor of the learning rate from each block to the one before it; 1 for the same rate everywhere.</param>
[RecipePart("optimizer")]
public abstract record OptimizerOptions(
    [RecipeName("lr"), Range(0, 1e3)] double LearningRate,
    [Range(0, 1e3)] double WeightDecay,
    [RecipeName("lr_batch"), Range(1, int.MaxValue)] int? LearningRateBatch,
    bool DecayAll,
    [Range(0, 1)] double LayerDecay
)
{
    /// <summary>Builds the optimiser for groups of parameters.</summary>
    protected abstract Optimizer Create(IEnumerable<ParameterGroup> groups);

    /// <summary>The learning rate at the top for a global batch.</summary>
    /// <param name="batch">Samples of a step over all processes, at least 1.</param>
    public virtual double TopLearningRate(int batch) => LearningRateBatch is { } per ? LearningRate * batch / per : LearningRate;

    /// <summary>Factor of the weight decay at a step.</summary>
    /// <param name="step">From 0, over all epochs.</param>
    /// <param name="steps">Steps of the whole training.</param>
    public virtual double DecayScale(long step, long steps) => 1;

    /// <summary>
    /// The optimiser of a phase, for the learned parameters of the model and of the objective; the names of the objective's parameters
    /// begin with <c>objective.</c>
    /// </summary>
    public Optimizer Create(Objective objective, Phase phase)
    {
        var learned = new HashSet<Parameter>(phase.Learned.SelectMany(module => module.Parameters()), ReferenceEqualityComparer.Instance);
        var model = objective.Model as Model;
        IEnumerable<ParameterGroup> ofModel = Groups(objective.Model, model is null ? _ => false : model.NoWeightDecay);
        if (LayerDecay != 1)
            ofModel = model is null
                ? throw new RunException("optimizer.layer_decay must be 1 for a model without blocks")
                : Optimization.LayerDecay.Apply(ofModel, model, LayerDecay);
        ofModel = ofModel.SelectMany(group =>
            group
                .Parameters.GroupBy(p => objective.LearningRateScale(p.Name))
                .Select(part => group with { Parameters = [.. part], Scale = group.Scale * part.Key })
        );
        // What a method shares with the model is learned once.
        var shared = new HashSet<Parameter>(objective.Model.Parameters(), ReferenceEqualityComparer.Instance);
        var own = Groups(objective, _ => false).Select(group => Rename(group, entry => !shared.Contains(entry), "objective."));
        return Create([
            .. ofModel.Concat(own).Select(group => Rename(group, learned.Contains, "")).Where(group => group.Parameters.Count > 0),
        ]);
    }

    private ParameterGroup[] Groups(Module module, Func<string, bool> withoutDecay) =>
        DecayAll ? ParameterGroup.All(module, WeightDecay) : ParameterGroup.Split(module, WeightDecay, withoutDecay);

    private static ParameterGroup Rename(ParameterGroup group, Func<Parameter, bool> kept, string prefix) =>
        group with
        {
            Parameters = [.. group.Parameters.Where(p => kept(p.Parameter)).Select(p => ($"{prefix}{p.Name}", p.Parameter))],
        };
}

/// <inheritdoc cref="Sgd"/>
/// <param name="LearningRate">Learning rate at the top of the schedule, from 0 to 1000.</param>
/// <param name="WeightDecay">Decay of matrices, from 0 to 1000; vectors, biases, tokens and position tables have none.</param>
/// <param name="Momentum">Share of the last update that is kept, from 0 to 1.</param>
/// <param name="Nesterov">Whether the gradient is taken as if the momentum had been applied already.</param>
/// <param name="LearningRateBatch">
/// Batch of all processes that the rate is meant for: it is scaled in proportion. Null takes it as it is.
/// </param>
/// <param name="DecayAll">Whether vectors, biases, tokens and position tables decay, too; false by default.</param>
/// <param name="LayerDecay">Factor of the learning rate from each block to the one before it, from 0 to 1 (none).</param>
[RecipeName("sgd")]
public sealed record SgdOptions(
    double LearningRate = 0.1,
    double WeightDecay = 1e-4,
    [Range(0, 1)] double Momentum = 0.9,
    bool Nesterov = false,
    int? LearningRateBatch = null,
    bool DecayAll = false,
    double LayerDecay = 1
) : OptimizerOptions(LearningRate, WeightDecay, LearningRateBatch, DecayAll, LayerDecay)
{
    /// <inheritdoc/>
    protected override Optimizer Create(IEnumerable<ParameterGroup> groups) => new Sgd(groups, LearningRate, Momentum, Nesterov);
}
