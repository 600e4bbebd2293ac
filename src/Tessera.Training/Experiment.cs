using System.Text.Json;
using Tessera.Data;
using Tessera.Distributed;
using Tessera.Models;
using Tessera.Optim;

namespace Tessera.Training;

/// <summary>A recipe brought to life: data, model, method, trainer, and the folder that it all goes to.</summary>
public sealed class Experiment : IDisposable
{
    private readonly Action<TrainingEvent>? report;
    private readonly Loader train;
    private readonly ProcessGroup? group;

    private Experiment(Recipe recipe, RunFolder run, Action<TrainingEvent>? report, ProcessGroup? group)
    {
        (this.report, this.group) = (report, group);
        (Recipe, Run) = (recipe, run);
        group?.Agree(
            ("version of Tessera", $"{typeof(Experiment).Assembly.ManifestModule.ModuleVersionId}"),
            ("version of libtorch", Torch.Version),
            ("recipe", recipe.ToYaml())
        );
        if (recipe.Train.Threads > 0)
            Torch.Threads = recipe.Train.Threads;
        TrainData = RecipeData.OpenTraining(recipe.Data);
        Facts = DataFacts.Of(TrainData);
        TestData = RecipeData.Open(Facts, recipe.Data, recipe.Evaluation.Split);
        Torch.Seed(recipe.Train.Seed);
        Model = InitialWeights.Create(recipe.Model, Facts, load: NoCheckpoints(run, group));
        RecipeData.Check(Model, recipe.Model.Name, TrainData);
        if (recipe.Model.WordVectors is { } vectors)
            RecipeData.LoadWordVectors(Model, TrainData, vectors);
        var device = Device.Parse(recipe.Train.Device);
        // Each process of a machine has a GPU of its own.
        if (group is not null && device is { Type: DeviceType.Cuda, Index: < 0 })
            device = Device.Parse($"cuda:{group.LocalRank}");
        Model.To(device);
        if (recipe.Train.RecomputeBlocks)
            Recompute(Model);
        var objective = recipe.CreateObjective(
            new(Model, device)
            {
                Pretrained = recipe.Model.Weights is not null,
                Normalization = Facts.Normalization,
                Data = TrainData as ImageDataset,
                Augment = recipe.Augment,
                UnreadableLimit = recipe.Data.UnreadableLimit,
            }
        );
        objective.To(device);
        if (recipe.Train.ChannelsLast)
            Model.To(MemoryFormat.ChannelsLast);
        var pipeline = recipe.TrainingPipeline();
        train = new Loader(
            TrainData,
            pipeline,
            recipe.Data.Batch,
            recipe.Train.Seed,
            shuffle: true,
            dropLast: TrainData.Count >= recipe.Data.Batch,
            workers: recipe.Data.Workers,
            replica: ReplicaOf(group),
            sampler: recipe.Data.Repeats > 1 ? new RepeatedAugmentation(recipe.Data.Repeats) : null,
            unreadableLimit: recipe.Data.UnreadableLimit,
            device: recipe.Data.BatchDevice(device, TrainData, pipeline)
        );
        Trainer = new(
            new(
                Model,
                objective,
                recipe.Optimizer.Create(Model, objective),
                recipe.Schedule,
                recipe.Optimizer.LearningRate(recipe.Data.Batch * recipe.Train.Accumulate),
                Source(train),
                Source(TestLoader(Model, recipe, TestData, Facts, group)),
                recipe.Train with
                {
                    Device = device.ToString(),
                },
                recipe.Evaluation,
                recipe.Train.Precision == Precision.Fp16 ? new GradientScaler() : null,
                group
            ),
            Writes(group) ? run : null,
            report
        );
    }

    private static bool Writes(ProcessGroup? group) => group is null or { IsFirst: true };

    private static Replica ReplicaOf(ProcessGroup? group) => group is null ? Replica.Single : new(group.Rank, group.Size);

    // As rank 0 finds it.
    private static bool NoCheckpoints(RunFolder run, ProcessGroup? group) =>
        group is null ? run.Checkpoints.All.Count == 0 : group.Any(group.IsFirst && run.Checkpoints.All.Count == 0);

    private static void Recompute(Backbone model)
    {
        try
        {
            model.SetGradientCheckpointing();
        }
        catch (NotSupportedException error)
        {
            throw new RunException($"train.recompute_blocks: {error.Message}");
        }
    }

    private static BatchSource Source(Loader loader) => new(loader.StepsPerEpoch, loader.Epoch, loader.Dataset.Split, loader.Remember);

    private static Loader TestLoader(Backbone model, Recipe recipe, Dataset data, DataFacts facts, ProcessGroup? group = null)
    {
        var pipeline = recipe.EvaluationPipeline(model, facts);
        return new(
            data,
            pipeline,
            recipe.Evaluation.Batch,
            recipe.Train.Seed,
            workers: recipe.Data.Workers,
            unreadableLimit: recipe.Data.UnreadableLimit,
            replacement: Replacement.None,
            replica: ReplicaOf(group),
            device: recipe.Data.BatchDevice(Evaluator.DeviceOf(model), data, pipeline, measuring: true)
        );
    }

    /// <summary>The resolved recipe.</summary>
    public Recipe Recipe { get; }

    /// <summary>Where it all goes.</summary>
    public RunFolder Run { get; }

    /// <summary>What is learned from.</summary>
    public Dataset TrainData { get; }

    /// <summary>What is measured on.</summary>
    public Dataset TestData { get; }

    /// <summary>What the model knows of the data.</summary>
    public DataFacts Facts { get; }

    /// <summary>What is trained.</summary>
    public Backbone Model { get; }

    /// <summary>What trains it.</summary>
    public Trainer Trainer { get; }

    /// <summary>Begins a run.</summary>
    /// <param name="recipePath">The recipe.</param>
    /// <param name="settings">Single fields, as in <c>optimizer.lr=5e-4</c>.</param>
    /// <param name="folder">Where it goes; must not hold a run yet.</param>
    /// <param name="report">Told what happens, on the thread that trains.</param>
    /// <param name="group">Processes that train together; rank 0 writes. Null for one process.</param>
    /// <exception cref="RecipeException">The recipe cannot be used.</exception>
    /// <exception cref="RunException">The folder holds a run already.</exception>
    /// <exception cref="DistributedException">The processes disagree, or one is lost.</exception>
    public static Experiment Begin(
        string recipePath,
        IEnumerable<string> settings,
        string folder,
        Action<TrainingEvent>? report = null,
        ProcessGroup? group = null
    )
    {
        string[] given = [.. settings];
        var recipe = Recipe.Load(recipePath, given);
        var run = new RunFolder(folder);
        if (Writes(group) && run.Exists)
            throw new RunException($"{folder} holds a run already: go on with --resume {folder}, or choose another --out");
        var experiment = new Experiment(recipe, run, report, group);
        if (!Writes(group))
            return experiment;
        run.WriteFacts(experiment.Facts);
        if (recipe.Data.IsDrawn)
            RunFolder.Write(
                run.SamplesPath,
                SampleList.Write(
                    experiment.TrainData,
                    $"{experiment.TrainData.Count} training samples of {recipe.Data.Name}; read by data.list"
                )
            );
        // Last: where there is a recipe, there is a run that can be resumed.
        RunFolder.Write(
            run.RecipePath,
            recipe.ToYaml(
                $"# The resolved recipe of {string.Join(' ', ["tessera", "train", recipePath, .. given.Select(s => $"--set {s}")])}\n",
                absolutePaths: true
            )
        );
        return experiment;
    }

    /// <summary>Goes on with a run from its newest checkpoint that is whole.</summary>
    /// <param name="folder">Of the run.</param>
    /// <param name="report">Told what happens, on the thread that trains.</param>
    /// <param name="group">Processes that train together, as many as before or others. Null for one process.</param>
    /// <exception cref="RunException">There is no run.</exception>
    /// <exception cref="DistributedException">The processes disagree, or one is lost.</exception>
    public static Experiment Resume(string folder, Action<TrainingEvent>? report = null, ProcessGroup? group = null)
    {
        var run = new RunFolder(folder);
        if (!run.Exists)
            throw new RunException($"{folder}: there is no run to resume (no {Path.GetFileName(run.RecipePath)})");
        if (Writes(group))
            run.RemoveUnfinished();
        var experiment = new Experiment(Recipe.Load(run.RecipePath), run, report, group);
        if (experiment.Trainer.Resume() && Writes(group))
            experiment.train.Remember([
                .. UnreadableLog
                    .Read(RunLog.Read(run.LogPath))
                    .Where(found => found.Split == experiment.TrainData.Split)
                    .Select(found => found.Image),
            ]);
        return experiment;
    }

    /// <summary>Trains to the end, then writes the results and the report.</summary>
    /// <param name="stop">Ends it with a checkpoint.</param>
    public TrainingResult Train(CancellationToken stop = default)
    {
        var result = Trainer.Train(stop: stop);
        if (!result.Completed)
            return result;
        var last = result.Last ?? Measure(Model, Recipe, TestData, Facts, report, stop, group);
        if (Writes(group))
            WriteResults(last, result.LastEma);
        return result with { Last = last };
    }

    private void WriteResults(Evaluation last, Evaluation? ema)
    {
        // Kept for a next step, which there is none of.
        Torch.ReleaseFreedMemory();
        RunFolder.Write(
            Run.ResultsPath,
            JsonSerializer.Serialize(
                new
                {
                    Trainer.Step,
                    Evaluation = last,
                    Ema = ema,
                },
                RunFolder.Json
            )
        );
        RunFolder.Write(Run.ReportPath, RunReport.Render(Run, Recipe, Model, TestData, Facts, last, ema));
    }

    /// <summary>Writes the report of a run anew, after measuring its model.</summary>
    public static Evaluation Report(TrainedModel trained, RunFolder run, CancellationToken stop = default)
    {
        var data = RecipeData.Open(trained.Facts, trained.Recipe.Data, trained.Recipe.Evaluation.Split);
        var evaluation = Measure(trained.Model, trained.Recipe, data, trained.Facts, null, stop);
        RunFolder.Write(run.ReportPath, RunReport.Render(run, trained.Recipe, trained.Model, data, trained.Facts, evaluation, null));
        return evaluation;
    }

    /// <summary>Measures the model of a run on the data of its recipe, or on another part of it.</summary>
    /// <param name="trained">The model.</param>
    /// <param name="split">Part of the data; that of the recipe by default.</param>
    /// <param name="report">Told how far it is.</param>
    /// <param name="stop">Gives up.</param>
    public static Evaluation Evaluate(
        TrainedModel trained,
        string? split = null,
        Action<TrainingEvent>? report = null,
        CancellationToken stop = default
    ) =>
        Measure(
            trained.Model,
            trained.Recipe,
            RecipeData.Open(trained.Facts, trained.Recipe.Data, split ?? trained.Recipe.Evaluation.Split),
            trained.Facts,
            report,
            stop
        );

    private static Evaluation Measure(
        Backbone model,
        Recipe recipe,
        Dataset data,
        DataFacts facts,
        Action<TrainingEvent>? report,
        CancellationToken stop,
        ProcessGroup? group = null
    ) =>
        Evaluator.Run(
            model,
            TestLoader(model, recipe, data, facts, group).Epoch(0),
            recipe.Evaluation,
            recipe.Train.Precision,
            done => report?.Invoke(new Evaluating(done)),
            stop: stop,
            group: group
        );

    /// <summary>Closes the run's files.</summary>
    public void Dispose() => Trainer.Dispose();
}
