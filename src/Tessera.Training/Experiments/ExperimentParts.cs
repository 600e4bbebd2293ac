using Tessera.Data;
using Tessera.Data.Loading;
using Tessera.Distributed;
using Tessera.Models;
using Tessera.Training.Objectives;
using Tessera.Training.Tasks;

namespace Tessera.Training.Experiments;

/// <summary>A recipe brought to life, without a place for its results: data, task, model and method.</summary>
internal sealed class ExperimentParts
{
    private readonly Recipe recipe;
    private readonly ProcessGroup? group;

    /// <summary>Opens the data and builds the model and the method.</summary>
    /// <param name="recipe">The recipe.</param>
    /// <param name="group">Processes that train together; null for one.</param>
    /// <param name="load">Whether the weights that the recipe names are loaded, which a checkpoint would replace.</param>
    /// <param name="check">Looks at the data before anything is computed from it.</param>
    /// <param name="stop">Gives up.</param>
    internal ExperimentParts(Recipe recipe, ProcessGroup? group, bool load, Action<DataRecord>? check, CancellationToken stop)
    {
        (this.recipe, this.group) = (recipe, group);
        var data = recipe.Data.OpenTraining(stop);
        Task = recipe.Task ?? TaskKind.DefaultFor(data);
        TrainData = Task.Prepare(data);
        Facts = Task.FactsOf(TrainData);
        if (recipe.Data.Normalization is { } normalization)
            Facts = Facts.With(normalization);
        if (recipe.Model.Classes is { } classes && classes != Facts.Classes.Count)
        {
            Facts = Facts.WithFurther(FurtherClasses(Facts.Classes, classes));
            TrainData = Task.Prepare(data, Facts);
        }
        TestData = Task.Prepare(recipe.Data.Open(recipe.Evaluation.Split ?? recipe.Data.MeasuredSplit(), stop), Facts);
        check?.Invoke(DataRecord.Of(recipe.Data, TrainData, TestData));
        Torch.Seed(recipe.Train.Seed);
        Weights = new InitialWeights(recipe.Model, Task, Facts);
        Model = Weights.Create(load);
        Task.Initialize(Model, TrainData);
        Device = DeviceFor(recipe, group);
        Model.To(Device);
        if (recipe.Train.GradCheckpointing)
            CheckpointGradients(Model);
        Objective = recipe.CreateObjective(Context(stop), Task);
        Objective.To(Device);
        if (Objective.CreateEvaluator(EvaluatorContext()) is null)
            Task.CheckMeasured(TestData);
        if (recipe.Train.ChannelsLast)
            Model.To(MemoryFormat.ChannelsLast);
    }

    internal TaskKind Task { get; }

    internal LoadableDataset TrainData { get; }

    internal LoadableDataset TestData { get; }

    /// <summary>Of the training data, before anything is measured.</summary>
    internal DataFacts Facts { get; }

    internal InitialWeights Weights { get; }

    internal Model Model { get; }

    internal Device Device { get; }

    internal Objective Objective { get; }

    // A model may have more classes than the data: for data that is still to come, or for weights that are kept as they are.
    private static IReadOnlyList<string> FurtherClasses(IReadOnlyList<string> own, int count)
    {
        if (count < own.Count)
            throw new RunException($"model.classes must be at least {own.Count}, the number of classes of the data, not {count}");
        var further = Enumerable.Range(own.Count, count - own.Count).Select(label => $"class {label}").ToArray();
        return further.FirstOrDefault(own.Contains) is { } taken
            ? throw new RunException($"model.classes: '{taken}' is a class of the data already, and would be the name of a further one")
            : further;
    }

    /// <summary>Batches that are learned from.</summary>
    internal Loader TrainingLoader()
    {
        var pipeline = recipe.TrainingPipeline();
        return new(
            TrainData,
            pipeline,
            new(recipe.Data.Batch)
            {
                Seed = recipe.Train.Seed,
                DropLast = TrainData.Count >= recipe.Data.Batch,
                Workers = recipe.Data.Workers,
                Replica = ReplicaOf(group),
                Sampler = recipe.Objective.Order ?? recipe.Data.SamplerOf(TrainData, recipe.Objective.Instances),
                UnreadableLimit = recipe.Data.Unreadable,
                Device = recipe.Data.BatchDevice(Device, TrainData, pipeline),
            }
        );
    }

    /// <summary>Batches that are measured.</summary>
    /// <param name="data">Test data, or training data without augmentation.</param>
    /// <param name="sampler">Chooses from them; null for all.</param>
    internal Loader EvaluationLoader(LoadableDataset data, Sampler? sampler = null)
    {
        var pipeline = Task.EvaluationPipeline(Model, Facts, recipe.EvaluationTransforms, Task.FactsOf(data));
        return new(
            data,
            pipeline,
            new(recipe.Evaluation.Batch)
            {
                Seed = recipe.Train.Seed,
                Workers = recipe.Data.Workers,
                UnreadableLimit = recipe.Data.Unreadable,
                Replacement = Replacement.None,
                Replica = ReplicaOf(group),
                Sampler = sampler,
                Device = recipe.Data.BatchDevice(ModuleDevice.Of(Model), data, pipeline, measuring: true),
            }
        );
    }

    /// <summary>Measures what the method or the task measures.</summary>
    internal Evaluator CreateEvaluator() => Objective.CreateEvaluator(EvaluatorContext()) ?? Task.CreateEvaluator(Model, Facts);

    private EvaluatorContext EvaluatorContext() =>
        new(Facts.Classes, recipe.Train.Seed)
        {
            BankSize = recipe.Evaluation.Bank,
            Neighbors = recipe.Evaluation.Neighbors,
            Temperature = recipe.Evaluation.Temperature,
            Bank =
                Task.MapsClasses && (TrainData.Annotations, TestData.Annotations) is (ClassLabels, ClassLabels)
                    ? most => EvaluationLoader(TrainData, new EvenlySpaced(most))
                    : null,
        };

    private ObjectiveContext Context(CancellationToken stop) =>
        new(Model, Device)
        {
            Pretrained = (recipe.Model.Weights ?? recipe.Model.Backbone?.Weights) is not null,
            Another = () => Weights.Create(load: false),
            Group = group,
            StepSamples = recipe.Data.Batch * recipe.Train.GradAccumSteps,
            Classes = Facts.Classes,
            Normalization = Facts.Normalization ?? new([0], [1]),
            OtherNormalization = recipe.Data.Normalization,
            Data = TrainData,
            Augment = recipe.Augment.First,
            UnreadableLimit = recipe.Data.Unreadable,
            Stop = stop,
            Labels = TrainData.Annotations as ClassLabels,
        };

    private static Replica ReplicaOf(ProcessGroup? group) => group is null ? Replica.Single : new(group.Rank, group.Size);

    // Each process of a machine has a GPU of its own.
    private static Device DeviceFor(Recipe recipe, ProcessGroup? group)
    {
        var device = Device.Parse(recipe.Train.Device);
        return group is not null && device is { Type: DeviceType.Cuda, Index: < 0 } ? Device.Parse($"cuda:{group.LocalRank}") : device;
    }

    private static void CheckpointGradients(Model model)
    {
        try
        {
            model.SetGradientCheckpointing();
        }
        catch (NotSupportedException error)
        {
            throw new RunException($"train.grad_checkpointing: {error.Message}");
        }
    }
}
