using System.Text.Json;
using Tessera.Data;
using Tessera.Data.Loading;
using Tessera.Distributed;
using Tessera.Models;
using Tessera.Training.Bundles;
using Tessera.Training.Loop;
using Tessera.Training.Objectives;
using Tessera.Training.Recipes;
using Tessera.Training.Reports;
using Tessera.Training.Runs;
using Tessera.Training.Tasks;

namespace Tessera.Training.Experiments;

/// <summary>A recipe brought to life: data, model, method, trainer, and the folder that it all goes to.</summary>
public sealed class Experiment : IDisposable
{
    private readonly ExperimentParts parts;
    private readonly Action<TrainingEvent> report;
    private readonly Loader train;
    private readonly ProcessGroup? group;
    private readonly RunLock? held;

    // It takes over the lock, unless it fails.
    private Experiment(
        Recipe recipe,
        RunFolder run,
        Action<TrainingEvent>? report,
        ProcessGroup? group,
        RunLock? held,
        Action<DataRecord>? check = null,
        CancellationToken stop = default
    )
    {
        this.held = held;
        this.group = group;
        (Recipe, Run) = (recipe, run);
        group?.Agree(
            ("version of Tessera", $"{typeof(Experiment).Assembly.ManifestModule.ModuleVersionId}"),
            ("version of libtorch", Torch.Version),
            ("recipe", recipe.ToYaml())
        );
        if (recipe.Train.Threads > 0)
            Torch.Threads = recipe.Train.Threads;
        parts = new(recipe, group, load: NoCheckpoints(run, group), check, stop);
        Facts = parts.Facts;
        train = parts.TrainingLoader();
        this.report = happened =>
        {
            report?.Invoke(happened);
            if (happened is CheckpointWritten)
                WriteBundle();
        };
        Trainer = new(
            new()
            {
                Objective = Objective,
                Phases = recipe.CreatePhases(Objective),
                Schedule = recipe.Schedule,
                Data = train,
                Options = recipe.Train with { Device = parts.Device.ToString() },
                Test = parts.EvaluationLoader(TestData),
                Evaluator = parts.CreateEvaluator,
                EvaluateEvery = recipe.Evaluation.Every,
                Remarks =
                [
                    .. new DataRemarks(recipe, TrainData, TestData).All,
                    .. Model.Remarks.Select(remark => $"{Spec.Title}: {remark}"),
                ],
                Group = group,
            },
            Writes(group) ? run : null,
            this.report
        );
        if (parts.Weights.Notes.Count > 0)
            Trainer.Announce(new WeightsLoaded(parts.Weights.Source, parts.Weights.Notes));
    }

    private static bool Writes(ProcessGroup? group) => group is null or { IsFirst: true };

    // As rank 0 finds it.
    private static bool NoCheckpoints(RunFolder run, ProcessGroup? group) =>
        group is null ? run.Checkpoints.All.Count == 0 : group.Any(group.IsFirst && run.Checkpoints.All.Count == 0);

    /// <summary>The resolved recipe.</summary>
    public Recipe Recipe { get; }

    /// <summary>Where it all goes.</summary>
    public RunFolder Run { get; }

    /// <summary>What the model is for.</summary>
    public TaskKind Task => parts.Task;

    /// <summary>What is learned from.</summary>
    public LoadableDataset TrainData => parts.TrainData;

    /// <summary>What is measured on.</summary>
    public LoadableDataset TestData => parts.TestData;

    /// <summary>What the model knows of the data.</summary>
    public DataFacts Facts { get; private set; }

    /// <summary>The model that is kept.</summary>
    public Model Model => parts.Model;

    /// <summary>What trains it.</summary>
    public Objective Objective => parts.Objective;

    /// <summary>Runs the training.</summary>
    public Trainer Trainer { get; }

    /// <summary>Begins a run.</summary>
    /// <param name="recipePath">The recipe.</param>
    /// <param name="settings">Single fields, as in <c>optimizer.lr=5e-4</c>.</param>
    /// <param name="folder">Where it goes; must not hold a run yet.</param>
    /// <param name="report">Told what happens, on the thread that trains.</param>
    /// <param name="group">Processes that train together; rank 0 writes. Null for one process.</param>
    /// <param name="stop">Ends what comes before the training: a long search for the data, stored answers of a teacher.</param>
    /// <exception cref="RecipeException">The recipe cannot be used.</exception>
    /// <exception cref="RunException">The folder holds a run already.</exception>
    /// <exception cref="DistributedException">The processes disagree, or one is lost.</exception>
    public static Experiment Begin(
        string recipePath,
        IEnumerable<string> settings,
        string folder,
        Action<TrainingEvent>? report = null,
        ProcessGroup? group = null,
        CancellationToken stop = default
    )
    {
        string[] given = [.. settings];
        return Begin(
            Recipe.Load(recipePath, given),
            RunRecipe.CommandHead(RunReport.RecipeHead, recipePath, given),
            folder,
            report,
            group,
            stop
        );
    }

    /// <summary>
    /// Begins a run by a recipe that was made in C#. The run holds it as a file and can be resumed, measured and used like any other.
    /// </summary>
    /// <param name="recipe">The recipe.</param>
    /// <param name="folder">Where it goes; must not hold a run yet.</param>
    /// <param name="report">Told what happens, on the thread that trains.</param>
    /// <param name="group">Processes that train together; rank 0 writes. Null for one process.</param>
    /// <param name="stop">Ends what comes before the training: a long search for the data, stored answers of a teacher.</param>
    /// <exception cref="RecipeException">The recipe cannot be used; the message names the field.</exception>
    /// <exception cref="RunException">The folder holds a run already.</exception>
    /// <exception cref="DistributedException">The processes disagree, or one is lost.</exception>
    public static Experiment Begin(
        Recipe recipe,
        string folder,
        Action<TrainingEvent>? report = null,
        ProcessGroup? group = null,
        CancellationToken stop = default
    ) => Begin(recipe.Validated(), RunRecipe.CodeHead, folder, report, group, stop);

    private static Experiment Begin(
        Recipe recipe,
        string head,
        string folder,
        Action<TrainingEvent>? report,
        ProcessGroup? group,
        CancellationToken stop
    )
    {
        var run = new RunFolder(folder);
        if (!Writes(group))
            return new Experiment(recipe, run, report, group, null, stop: stop);
        return Holding(folder, held =>
        {
            if (run.Exists)
                throw new RunException($"{folder} holds a run already: go on with --resume {folder}, or choose another --out");
            var experiment = new Experiment(recipe, run, report, group, held, stop: stop);
            experiment.WriteBeginning(head);
            return experiment;
        });
    }

    // The lock lives as long as the experiment; where there comes to be none, it goes at once.
    private static Experiment Holding(string folder, Func<RunLock, Experiment> start)
    {
        var held = RunLock.Take(folder);
        try
        {
            return start(held);
        }
        catch
        {
            held.Dispose();
            throw;
        }
    }

    private void WriteBeginning(string head)
    {
        WriteBundle();
        DataRecord.Of(Recipe.Data, TrainData, TestData).Write(Run.DataPath);
        if (Recipe.Data.IsDrawn)
            RunFolder.Write(
                Run.SamplesPath,
                SampleList.Write(TrainData, $"{TrainData.Count} training samples of {Recipe.Data.Name}; read by data.list")
            );
        // Last: where there is a recipe, there is a run that can be resumed.
        RunRecipe.Write(Run.RecipePath, Recipe, head);
    }

    /// <summary>Goes on with a run from its newest checkpoint that is whole.</summary>
    /// <param name="folder">Of the run.</param>
    /// <param name="report">Told what happens, on the thread that trains.</param>
    /// <param name="group">Processes that train together, as many as before or others. Null for one process.</param>
    /// <param name="options">What may be different now; nothing when null.</param>
    /// <param name="stop">Ends what comes before the training: a long search for the data, stored answers of a teacher.</param>
    /// <exception cref="RunException">There is no run, another process trains it, or its data has changed.</exception>
    /// <exception cref="DistributedException">The processes disagree, or one is lost.</exception>
    public static Experiment Resume(
        string folder,
        Action<TrainingEvent>? report = null,
        ProcessGroup? group = null,
        ResumeOptions? options = null,
        CancellationToken stop = default
    )
    {
        var run = new RunFolder(folder);
        if (!run.Exists)
            throw new RunException($"{folder}: there is no run to resume (no {Path.GetFileName(run.RecipePath)})");
        options ??= new();
        var written = Recipe.OfRun(run.RecipePath);
        var recipe = options.Root is { } root ? RunRecipe.Moved(written, root) : written;
        if (recipe.Data.Root is { } place && !Directory.Exists(place))
            throw new RunException(
                $"{folder}: the folder of its data, {place}, does not exist: --root FOLDER names the place of moved data"
            );
        if (Writes(group))
            return Holding(folder, held => Resume(recipe, run, report, group, options, held, stop));
        var other = new Experiment(recipe, run, report, group, null, stop: stop);
        other.Trainer.Resume();
        return other;
    }

    private static Experiment Resume(
        Recipe recipe,
        RunFolder run,
        Action<TrainingEvent>? report,
        ProcessGroup? group,
        ResumeOptions options,
        RunLock held,
        CancellationToken stop
    )
    {
        run.RemoveUnfinished();
        DataRecord? before = DataRecord.Read(run.DataPath),
            now = null;
        string? difference = null;
        var experiment = new Experiment(recipe, run, report, group, held, Check, stop);
        var goesOn = experiment.Trainer.Resume();
        if (before is null || difference is not null)
            now!.Write(run.DataPath);
        if (difference is not null)
            experiment.Trainer.Log("data_changed", ("difference", difference));
        if (options.Root is not null)
            RunRecipe.Replace(run.RecipePath, recipe);
        if (!goesOn)
            return experiment;
        experiment.WriteBundle();
        var found = UnreadableLog.Read(RunLog.Read(run.LogPath)).Where(found => found.Split == experiment.TrainData.Split);
        experiment.train.Remember([.. found.Select(found => found.Image)]);
        return experiment;

        void Check(DataRecord data)
        {
            now = data;
            if (before is null)
            {
                report?.Invoke(new DataUnknown());
                return;
            }
            difference = before.Difference(now);
            if (difference is null)
                return;
            if (!options.AcceptChangedData)
                throw new RunException(
                    $"{run.Path}: the data is not what the run began with: {difference}. "
                        + "--accept-changed-data goes on all the same; --root FOLDER names the place of data that was moved"
                );
            report?.Invoke(new DataChanged(difference));
        }
    }

    /// <summary>Trains to the end, then writes the results and the report.</summary>
    /// <param name="stop">Ends it with a checkpoint.</param>
    public TrainingResult Train(CancellationToken stop = default)
    {
        var result = Trainer.Train(stop: stop);
        if (!result.Completed)
            return result;
        var last = result.Last ?? MeasureAgain(stop);
        if (Writes(group))
            WriteResults(last, result.LastEma);
        return result with { Last = last };
    }

    // A run that was complete already has measured nothing in this process.
    private Metrics MeasureAgain(CancellationToken stop) =>
        Measurement.Run(
            Model,
            parts.EvaluationLoader(TestData).Epoch(0, stop: group is null ? stop : default),
            parts.CreateEvaluator(),
            Recipe.Train.Precision,
            done => report(new Evaluating(done)),
            group,
            stop
        );

    private void WriteResults(Metrics last, Metrics? ema)
    {
        // Kept for a next step, which there is none of.
        Torch.ReleaseFreedMemory();
        Facts = Task.Refine(Facts, last);
        WriteBundle();
        RunFolder.Write(
            Run.ResultsPath,
            JsonSerializer.Serialize(
                new
                {
                    Trainer.Step,
                    Evaluation = (object)last,
                    Ema = (object?)ema,
                },
                RunFolder.Json
            )
        );
        RunFolder.Write(Run.ReportPath, RenderReport(last, ema));
    }

    private string RenderReport(Metrics last, Metrics? ema)
    {
        var pipeline = Task.EvaluationPipeline(Model, Facts, Recipe.EvaluationTransforms, Task.FactsOf(TestData));
        var training = (TrainData, Task.EvaluationPipeline(Model, Facts, Recipe.EvaluationTransforms, Task.FactsOf(TrainData)));
        IReadOnlyList<ReportSection> sections =
        [
            .. Task.Report(
                new(Model, TestData, Facts, pipeline, last)
                {
                    Training = training,
                    Pictures = Run.Pictures.All,
                    WithAverage = Trainer.Ema is { } average ? average.During : null,
                }
            ),
            .. Objective.Report(new(TestData, pipeline, Recipe.Train.Seed) { Training = training }),
        ];
        var title = $"{Spec.Title} on {TestData.Name}";
        return RunReport.Render(
            Run,
            title,
            new(last, ema, sections, Facts.Classes, Model.ParameterCount, Task.SampleNoun) { Watched = Objective.Watched }
        );
    }

    private ModelSpec Spec => Recipe.Model.Spec(Recipe.Model.Options(Facts.ModelDefaults));

    private void WriteBundle()
    {
        if (Writes(group))
            new BundleFolder(Run.BundlePath).Write(
                new(Spec, Task, Facts, Recipe.EvaluationTransforms, Recipe.Train.Precision, Objective.TrainsClassifier),
                Run.Checkpoints
            );
    }

    /// <summary>Closes the run's files.</summary>
    public void Dispose()
    {
        Trainer.Dispose();
        held?.Dispose();
    }
}
