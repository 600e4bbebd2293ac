using System.ComponentModel.DataAnnotations;
using System.Diagnostics.CodeAnalysis;
using Tessera.Data;
using Tessera.Data.Images;
using Tessera.Data.Transforms;
using Tessera.Models;
using Tessera.Training.Loop;
using Tessera.Training.Objectives;
using Tessera.Training.Optimization;
using Tessera.Training.Recipes;
using Tessera.Training.Tasks;

namespace Tessera.Training.Experiments;

/// <summary>Everything that defines an experiment: one YAML file, or the same in C#.</summary>
public sealed record Recipe
{
    /// <summary>A recipe of which the parts are set by name.</summary>
    public Recipe() { }

    // By this one recipes are bound: its parameters are the fields.
    [SetsRequiredMembers]
    internal Recipe(
        ModelRecipe model,
        DataRecipe data,
        OptimizerOptions optimizer,
        ScheduleOptions schedule,
        ObjectiveOptions objective,
        Augmentation augment,
        EvaluationOptions evaluation,
        TrainOptions train,
        TaskKind? task = null,
        IReadOnlyList<AuxiliaryLossOptions>? auxiliaryLosses = null,
        IReadOnlyList<PhaseRecipe>? phases = null
    )
    {
        (Model, Data, Optimizer, Schedule, Objective) = (model, data, optimizer, schedule, objective);
        (Augment, Evaluation, Train, Task) = (augment, evaluation, train, task);
        (AuxiliaryLosses, Phases) = (auxiliaryLosses ?? [], phases ?? []);
    }

    /// <summary>What is trained.</summary>
    public required ModelRecipe Model { get; init; }

    /// <summary>On what.</summary>
    public required DataRecipe Data { get; init; }

    /// <summary>How weights change, and the learning rate at the top of the schedule.</summary>
    public required OptimizerOptions Optimizer { get; init; }

    /// <summary>How long, and how the learning rate changes meanwhile.</summary>
    public required ScheduleOptions Schedule { get; init; }

    /// <summary>Towards what.</summary>
    public required ObjectiveOptions Objective { get; init; }

    /// <summary>
    /// What happens to training images, in order: a list, or <c>{ views: [ a list, a list ] }</c>. In C#, nothing where it is left out.
    /// </summary>
    public Augmentation Augment { get; init; } = [];

    /// <summary>How it is measured.</summary>
    public EvaluationOptions Evaluation { get; init; } = new();

    /// <summary>Precision, seed, clipping, intervals.</summary>
    public TrainOptions Train { get; init; } = new();

    /// <summary>What the model is for; by default the data decides.</summary>
    public TaskKind? Task { get; init; }

    /// <summary>Losses beside that of the objective.</summary>
    public IReadOnlyList<AuxiliaryLossOptions> AuxiliaryLosses { get; init; } = [];

    /// <summary>How single phases of the objective are optimised, where they differ from the rest.</summary>
    public IReadOnlyList<PhaseRecipe> Phases { get; init; } = [];

    /// <summary>Reads a file and sets single fields (<c>optimizer.lr=5e-4</c>).</summary>
    /// <exception cref="RecipeException">The message is one line that names file, line and field.</exception>
    public static Recipe Load(string path, params IEnumerable<string> settings)
    {
        if (!File.Exists(path))
            throw new RecipeException(path, "", "there is no such file");
        return Parse(File.ReadAllText(path), path, settings);
    }

    /// <summary>Reads the recipe that a run keeps.</summary>
    /// <exception cref="RecipeException">The message is one line that names file, line and field.</exception>
    internal static Recipe OfRun(string path) => RecipeException.Reading(() => Load(path));

    /// <summary>Reads YAML.</summary>
    /// <param name="yaml">The text.</param>
    /// <param name="file">What messages call it.</param>
    /// <param name="settings">Single fields to be set, as in <c>optimizer.lr=5e-4</c>.</param>
    /// <exception cref="RecipeException">The message is one line that names file, line and field.</exception>
    public static Recipe Parse(string yaml, string file, params IEnumerable<string> settings) =>
        Bind(
            settings.Aggregate(OldNames.Upgrade(RecipeReader.Read(yaml, file)), (map, setting) =>
                RecipeReader.Set(map, setting, typeof(Recipe))
            )
        );

    /// <summary>The same recipe, of which every field was looked at as if it had been read from a file.</summary>
    /// <exception cref="RecipeException">
    /// A value out of its range, parts that exclude each other, or a part that no recipe can name.
    /// </exception>
    internal Recipe Validated() => Bind((RecipeMap)RecipeJson.Read(RecipeJson.Write(this), "recipe", named: false));

    internal static Recipe Bind(RecipeMap written)
    {
        var map = OldNames.Upgrade(written);
        var recipe = RecipeBinder.Bind<Recipe>(map);
        var parts = new NeedContext(recipe.Augment.First, recipe.Augment.Views.Count, recipe.AuxiliaryLosses.Count, recipe.Train.Averages);
        foreach (var need in recipe.Objective.Needs)
            if (need.Unmet(parts) is { } reason)
                throw new RecipeException(map["objective"]?.Place ?? map.Place, "objective", reason);
        if (recipe.Objective.TargetSmoothing > 0 && recipe.Augment.Views.Any(view => view.Any(transform => transform is LabelSmoothing)))
            throw new RecipeException(
                (map["objective"] as RecipeMap)?["smoothing"]?.Place ?? map["objective"]?.Place ?? map.Place,
                "objective.smoothing",
                "must be 0 where label_smoothing in augment smooths the targets"
            );
        if (recipe.Data.InstancesOr(recipe.Objective.Instances) is var instances && recipe.Data.Batch % instances != 0)
            throw new RecipeException(
                (map["data"] as RecipeMap)?["batch"]?.Place ?? map["data"]?.Place ?? map.Place,
                "data.batch",
                $"must be a multiple of {instances}, the images of each class in a batch (data.instances"
                    + $"{(recipe.Data.Instances is null ? $", by default with {RecipeShape.MessageName(recipe.Objective.GetType())}" : "")}), "
                    + $"not {recipe.Data.Batch}"
            );
        if (recipe.Objective.Order is not null && recipe.Data is not { Sampling: DataSampling.Shuffled, Repeats: 1, Instances: null })
            throw new RecipeException(
                map["data"]?.Place ?? map.Place,
                "data",
                $"repeats, sampling and instances must be left out: {RecipeShape.MessageName(recipe.Objective.GetType())} has an order of "
                    + "its own"
            );
        if (recipe.Data.OnDevice == OnDevice.True && DeviceBatches.Obstacle(recipe.Augment.Views.SelectMany(view => view)) is { } obstacle)
            throw new RecipeException(
                (map["data"] as RecipeMap)?["on_device"]?.Place ?? map.Place,
                "data.on_device",
                $"it cannot be true with this augment: {obstacle}"
            );
        return recipe;
    }

    /// <summary>Builds the method with its auxiliary losses for a model.</summary>
    /// <exception cref="RunException">The model does not have what they need, or the task has other targets.</exception>
    public Objective CreateObjective(ObjectiveContext context, TaskKind task)
    {
        if (Objective.TargetsType is { } wanted && !task.TargetsType.IsAssignableTo(wanted))
            throw new RunException(
                $"objective: {RecipeShape.MessageName(Objective.GetType())} needs {wanted.Name}, "
                    + $"but task {task.Name} has {task.TargetsType.Name}"
                    + (
                        task.TargetsType == typeof(NoTargets)
                            ? $"; without labels there are {string.Join(", ", ObjectiveOptions.WithoutLabels)}"
                            : ""
                    )
            );
        try
        {
            var main = Objective.Create(context with { Task = task });
            if (AuxiliaryLosses.Count == 0)
                return main;
            return main is BackboneObjective ofBackbone
                ? new WithAuxiliaryLosses(ofBackbone, AuxiliaryLosses.Select(loss => loss.Create(context)))
                : throw new ArgumentException("auxiliary losses need an objective that trains a backbone");
        }
        catch (ArgumentException error)
        {
            throw new RunException($"{Model.Title} cannot be trained this way: {error.Message}");
        }
    }

    /// <summary>The optimiser of every phase of an objective.</summary>
    /// <param name="objective">With its networks where they compute.</param>
    /// <exception cref="RunException">The recipe names a phase that the objective does not have.</exception>
    internal IReadOnlyList<PhaseSetup> CreatePhases(Objective objective)
    {
        var phases = objective.Phases;
        if (Phases.FirstOrDefault(given => phases.All(phase => phase.Name != given.Name)) is { } unknown)
        {
            var names = phases.Select(phase => phase.Name.Length == 0 ? "one without a name" : phase.Name);
            throw new RunException($"phases: there is no phase {unknown.Name}; the objective has {string.Join(", ", names)}");
        }
        if (Phases.GroupBy(given => given.Name).FirstOrDefault(same => same.Count() > 1) is { } repeated)
            throw new RunException($"phases: {repeated.Key} is given twice");
        return
        [
            .. phases.Select(phase =>
            {
                var own = Phases.FirstOrDefault(given => given.Name == phase.Name);
                var all = PhaseSetup.Of(objective, phase, own?.Optimizer ?? Optimizer, Train, Data.Batch * Train.GradAccumSteps);
                all = all with { ConstantLearningRate = own?.ConstantLearningRate ?? false };
                return own?.ClipGrad is { } clip ? all with { ClipGrad = clip, ClipGradAdaptive = null, ClipGradTensor = null } : all;
            }),
        ];
    }

    /// <summary>What happens to training images. Mixed targets contain the smoothing of the objective.</summary>
    public Pipeline TrainingPipeline()
    {
        var first = Augment.First;
        var mixes = first.Any(transform => transform is Mixup or CutMix);
        var views =
            mixes && Objective.TargetSmoothing > 0
                ?
                [
                    [.. first, new LabelSmoothing(Objective.TargetSmoothing)],
                    .. Augment.Views.Skip(1),
                ]
                : Augment.Views;
        return Pipeline.OfViews(views, Data.Normalization, Data.ShrinkOnLoad);
    }

    /// <summary>What happens to samples that a model is measured on.</summary>
    public EvaluationTransforms EvaluationTransforms =>
        Model.Variant is { } variant ? EvaluationTransforms.Of(variant, Evaluation.Transforms) : new(Evaluation.Transforms, 1);

    /// <summary>The recipe with every field, as YAML that reads back to the same.</summary>
    /// <param name="head">Text in front of it.</param>
    /// <param name="absolutePaths">Names files and folders in full, so that it means the same wherever it is read.</param>
    public string ToYaml(string head = "", bool absolutePaths = false) => RecipeWriter.Write(this, head, absolutePaths);
}

/// <summary>How a phase of an objective is optimised, where that differs from the rest of the recipe.</summary>
/// <param name="Name">Of the phase: <c>discriminator</c>, for instance.</param>
/// <param name="Optimizer">How its weights change.</param>
/// <param name="ClipGrad">Largest joint norm of its gradients.</param>
/// <param name="ConstantLearningRate">Whether its learning rate stays as it is, whatever the schedule; false by default.</param>
public sealed record PhaseRecipe(
    string Name,
    OptimizerOptions? Optimizer = null,
    [Range(1e-12, 1e12)] double? ClipGrad = null,
    [RecipeName("constant_lr")] bool ConstantLearningRate = false
);
