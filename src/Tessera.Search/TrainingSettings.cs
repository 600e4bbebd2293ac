using System.ComponentModel.DataAnnotations;
using Tessera.Data.Transforms;
using Tessera.Training;
using Tessera.Training.Experiments;
using Tessera.Training.Loop;
using Tessera.Training.Objectives;
using Tessera.Training.Optimization;

namespace Tessera.Search;

/// <summary>How networks are trained at one place of a search: a recipe without its model and its data.</summary>
/// <param name="Optimizer">How weights change.</param>
/// <param name="Schedule">How long, and how the learning rate changes meanwhile.</param>
/// <param name="Objective">Towards what; by default what the method says, or else learning from labels.</param>
/// <param name="Augment">What happens to training images; nothing by default.</param>
/// <param name="Evaluation">How the network is measured.</param>
/// <param name="Train">Precision, seed, clipping, intervals.</param>
/// <param name="Batch">Images of a batch; by default those of the search's data.</param>
/// <param name="Phases">How single phases of the objective are optimised, where they differ from the rest.</param>
public sealed record TrainingSettings(
    OptimizerOptions Optimizer,
    ScheduleOptions Schedule,
    ObjectiveOptions? Objective = null,
    Augmentation? Augment = null,
    EvaluationOptions? Evaluation = null,
    TrainOptions? Train = null,
    [Range(1, 1 << 20)] int? Batch = null,
    IReadOnlyList<PhaseRecipe>? Phases = null
)
{
    /// <summary>The whole recipe.</summary>
    /// <param name="model">What is trained.</param>
    /// <param name="data">On what.</param>
    /// <param name="objective">The method's own objective; null for the one that is given, or else learning from labels.</param>
    /// <param name="seed">Of weights and order; null for that of <see cref="Train"/>.</param>
    /// <exception cref="Tessera.Training.Recipes.RecipeException">The parts do not fit each other.</exception>
    public Recipe With(ModelRecipe model, DataRecipe data, ObjectiveOptions? objective = null, ulong? seed = null)
    {
        var (train, evaluation) = (Train ?? new(), Evaluation ?? new());
        // What learns from a part of the training samples is measured on the rest: the test samples are for retrained networks alone.
        if (data.Split == DataRecipe.RestOfTraining && evaluation.Split is null)
            evaluation = evaluation with { Split = DataRecipe.HeldOut };
        return new Recipe
        {
            Model = model,
            Data = Batch is { } batch ? data with { Batch = batch } : data,
            Optimizer = Optimizer,
            Schedule = Schedule,
            Objective = objective ?? Objective ?? new SupervisedOptions(),
            Augment = Augment ?? [],
            Evaluation = evaluation,
            Train = seed is { } own ? train with { Seed = own } : train,
            Phases = Phases ?? [],
        }.Validated();
    }
}
