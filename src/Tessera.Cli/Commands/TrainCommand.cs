using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;
using Tessera.Cli.Inputs;
using Tessera.Cli.Machine;
using Tessera.Cli.Rendering;
using Tessera.Cli.Shell;
using Tessera.Data;
using Tessera.Distributed;
using Tessera.Models.Measurement;
using Tessera.Search;
using Tessera.Training;
using Tessera.Training.Experiments;
using Tessera.Training.Loop;
using Tessera.Training.Runs;

namespace Tessera.Cli.Commands;

/// <summary><c>tessera train</c>: trains a model with a recipe.</summary>
internal static class TrainCommand
{
    // A multiply-accumulate is two operations.
    private const double OperationsPerMac = 2;

    private static readonly Argument<string?> Recipe = new("recipe")
    {
        HelpName = "recipe",
        Description = $"Recipe file, or name of a recipe that comes with tessera; {RecipeFinder.Default} by default.",
        Arity = ArgumentArity.ZeroOrOne,
        CompletionSources = { _ => RecipeFinder.Names().Select(name => new System.CommandLine.Completions.CompletionItem(name)) },
    };

    private static readonly Option<string[]> Set = new("--set")
    {
        Description = "Set a field of the recipe; can be repeated.",
        HelpName = "field=value",
        DefaultValueFactory = _ => [],
    };

    private static readonly Option<string?> Out = new("--out")
    {
        Description = "Folder for the run; runs/<recipe>-<date>-<time> by default.",
        HelpName = "folder",
    };

    private static readonly Option<string?> Resume = new("--resume")
    {
        Description = "Resume the run in this folder from its newest checkpoint.",
        HelpName = "folder",
    };

    private static readonly Option<string?> Root = new("--root")
    {
        Description = "With --resume: the folder that the data was moved to; the run keeps it.",
        HelpName = "folder",
    };

    private static readonly Option<bool> AcceptChangedData = new("--accept-changed-data")
    {
        Description = "With --resume: go on although classes, samples or labels are not those that the run began with.",
    };

    internal static Command Create()
    {
        var command = new ExampleCommand(
            "train",
            "Train a model with a recipe. Ctrl-C writes a checkpoint and ends; --resume continues from it."
        )
        {
            Examples =
            [
                ("tessera train", "train a compact transformer on Fashion-MNIST"),
                ("tessera train cct/fashion_mnist --set schedule.epochs=10 --set optimizer.lr=5e-4", "change values of the recipe"),
                ("tessera train my.yaml --out runs/mine", "use your own recipe and folder"),
                ("tessera train --set data.limit=2000 --set schedule.epochs=1", "try 2,000 images for one epoch"),
                ("tessera train --resume runs/mine", "resume after Ctrl-C"),
                ("tessera train --resume runs/mine --root /data/moved", "resume with data that was moved"),
                ("tessera launch -n 4 train my.yaml", "train in four processes; docs/distributed.md covers several machines"),
                ("RUN=$(tessera train --quiet)", "print only the run folder, for a script"),
            ],
            Arguments = { Recipe },
            Options = { Set, Out, Resume, Root, AcceptChangedData },
        };
        command.SetAction(parsed =>
            Run(
                parsed.Terminal(),
                parsed.GetValue(Recipe),
                new(
                    parsed.GetValue(Set)!,
                    parsed.GetValue(Out),
                    parsed.GetValue(Resume),
                    new(parsed.GetValue(Root), parsed.GetValue(AcceptChangedData))
                )
            )
        );
        return command;
    }

    /// <summary>What the command line says beside the recipe.</summary>
    /// <param name="Settings">Fields of the recipe.</param>
    /// <param name="Folder">Of the run that begins; null for a new one.</param>
    /// <param name="Resume">Folder of the run that goes on; null where one begins.</param>
    /// <param name="Changes">What may be different in that run.</param>
    private sealed record Request(string[] Settings, string? Folder, string? Resume, ResumeOptions Changes);

    private static int Run(Terminal terminal, string? recipe, Request request)
    {
        if (request.Resume is not null && (recipe is not null || request.Settings.Length > 0 || request.Folder is not null))
            throw new UserException("--resume cannot be combined with a recipe, --set or --out: it continues the run unchanged");
        if (request.Resume is null && request.Changes != new ResumeOptions())
            throw new UserException("--root and --accept-changed-data need --resume; a run that begins takes --set data.root=FOLDER");
        var path = request.Resume is null ? RecipeFinder.Find(recipe) : null;
        if (path is not null && SearchRecipe.IsOne(path))
            throw new UserException($"{path} is the recipe of a search: tessera search {recipe}");
        LaunchedProcesses.EndWithLauncher();
        using var group = ProcessGroup.FromEnvironment();
        if (group is null)
            return Run(terminal, path, request, null);
        try
        {
            var code = Run(group.IsFirst ? terminal : Terminal.None, path, request, group);
            group.Complete();
            return code;
        }
        catch (Exception error)
        {
            group.Fail(error);
            throw;
        }
    }

    private static int Run(Terminal terminal, string? path, Request request, ProcessGroup? group)
    {
        var (settings, folder, resume, changes) = request;
        if (resume is not null ? StagedRun.Exists(resume) : StagedRun.IsStaged(path!))
        {
            var place = resume ?? Folder();
            // The stages are one work: nobody else may begin one of them in between.
            using var held = group is null or { IsFirst: true } ? RunLock.Take(place) : null;
            if (held is not null && resume is null)
                StagedRun.Begin(path!, settings, place);
            if (held is not null && resume is not null && changes.Root is { } root)
                StagedRun.Open(resume).MoveData(root);
            group?.Barrier();
            return RunStages(terminal, StagedRun.Open(place), group, changes with { Root = null });
        }
        return RunOne(
            terminal,
            report =>
                resume is not null
                    ? Experiment.Resume(resume, report, group, changes)
                    : Experiment.Begin(path!, settings, Folder(), report, group),
            group
        );

        // The name of the first process counts: it depends on the time.
        string Folder() => group is null ? folder ?? NewFolder(path!) : group.Broadcast(group.IsFirst ? folder ?? NewFolder(path!) : "");
    }

    // One after the other; what was stopped in the middle of a stage goes on there.
    private static int RunStages(Terminal terminal, StagedRun staged, ProcessGroup? group, ResumeOptions changes)
    {
        var remaining = staged.Remaining.ToArray();
        if (group is not null)
        {
            // As the first process finds them, before it writes.
            var names = group.Broadcast(string.Join('\n', remaining.Select(stage => stage.Name))).Split('\n');
            remaining = [.. staged.Stages.Where(stage => names.Contains(stage.Name))];
        }
        if (remaining.Length == 0)
            terminal.Note($"All stages of {Shown(staged.Folder)} are done.");
        foreach (var stage in remaining)
        {
            if (!terminal.Quiet)
                terminal.Note(
                    $"Stage {stage.Name} ({staged.Stages.Index().First(s => s.Item == stage).Index + 1} of {staged.Stages.Count})"
                );
            if (
                RunOne(terminal, report => StagedRun.Start(stage, report, group, changes), group, staged.Folder, stage == remaining[^1])
                is var code
                    and not ExitCode.Success
            )
                return code;
        }
        return ExitCode.Success;
    }

    // What is printed as the result is of the last stage alone.
    private static int RunOne(
        Terminal terminal,
        Func<Action<TrainingEvent>, Experiment> start,
        ProcessGroup? group,
        string? whole = null,
        bool last = true
    )
    {
        var view = TrainingView.For(terminal);
        using var interruption = new Interruption(view.AnnounceStop);
        var started = Stopwatch.GetTimestamp();
        var steps = new Speed();
        void Report(TrainingEvent happened)
        {
            steps.Handle(happened);
            view.Handle(happened);
        }
        using var experiment = start(Report);
        // All that this process may use, shared among the processes of the machine, unless the recipe says how many.
        if (experiment.Recipe.Train.Threads == 0)
            Torch.Threads = ThreadLimit.Shared(group?.LocalSize ?? 1);
        if (terminal.Silent)
            return experiment.Train(interruption.Token).Completed ? ExitCode.Success : ExitCode.Interrupted;
        var cost = ModelCost.Count(experiment.Model);
        var type = experiment.Recipe.Train.Precision == Precision.Fp32 ? DType.Float32 : DType.BFloat16;
        // The peak is of this machine's processors alone.
        double? peak = group is null ? PeakCache.OfUser().Gflops(type, Device.Parse(experiment.Recipe.Train.Device)) : null;
        var arithmetic = experiment.Trainer.ForwardPasses is { } passes
            ? new Arithmetic(cost.Macs * passes * OperationsPerMac / 1e9, peak)
            : null;
        (experiment.Trainer.Arithmetic, view.Arithmetic, view.Samples) = (arithmetic, arithmetic, experiment.Task.SampleNoun);
        Introduce(experiment, cost, terminal, group);
        var result = view.Run(() => experiment.Train(interruption.Token));
        var outcome = new Outcome(
            experiment,
            result,
            Stopwatch.GetElapsedTime(started),
            steps.ImagesPerSecond,
            steps.Unreadable,
            cost,
            arithmetic
        );
        if (terminal.Json && (last || !result.Completed))
            WriteJson(outcome);
        else if (terminal.Quiet && (last || !result.Completed))
            Terminal.Result(Shown(whole ?? experiment.Run.Path));
        else if (terminal.Json || terminal.Quiet)
            return ExitCode.Success;
        else if (result.Completed)
            Show(outcome, terminal);
        else
            terminal.Note(
                $"Stopped at step {result.Steps} of {experiment.Trainer.TotalSteps} with a checkpoint. "
                    + $"Resume with: tessera train --resume {Shown(whole ?? experiment.Run.Path)}"
            );
        return result.Completed ? ExitCode.Success : ExitCode.Interrupted;
    }

    /// <summary>A folder of its own for what a recipe begins now.</summary>
    internal static string NewFolder(string recipe)
    {
        var wanted = Path.Combine(
            "runs",
            $"{Path.GetFileNameWithoutExtension(recipe)}-{DateTime.Now.ToString("yyyyMMdd-HHmmss", CultureInfo.InvariantCulture)}"
        );
        // Two that begin in the same second.
        for (var i = 1; ; i++)
            if ((i == 1 ? wanted : $"{wanted}-{i}") is var folder && !Directory.Exists(folder))
                return folder;
    }

    private static void Introduce(Experiment experiment, ModelCost cost, Terminal terminal, ProcessGroup? group)
    {
        if (terminal.Quiet)
            return;
        var recipe = experiment.Recipe;
        terminal.Heading($"{recipe.Model.Title} on {recipe.Data.Name}");
        var samples = experiment.Task.SampleNoun;
        terminal.Note(
            $"{Figures.Large(cost.Parameters)} parameters, {Figures.Large(cost.Macs)} MACs per sample of {string.Join("x", cost.Input)}; "
                + $"{experiment.TrainData.Count:N0} {samples} to learn from ({experiment.TrainData.Split}), "
                + $"{experiment.TestData.Count:N0} to measure on ({experiment.TestData.Split})"
        );
        var device = recipe.Train.Device == "cpu" ? $"{Torch.Threads} threads" : recipe.Train.Device;
        var place = group is null ? device : $"{group.Size} processes of {device}";
        terminal.Note(
            $"{experiment.Trainer.TotalEpochs} epochs of {experiment.Trainer.StepsPerEpoch} steps"
                + (
                    experiment.Trainer.TotalSteps % experiment.Trainer.StepsPerEpoch == 0
                        ? ", "
                        : $", {experiment.Trainer.TotalSteps} steps in all, "
                )
                + $"{RecipeValue.Of(recipe.Train.Precision)} on {place}; run folder {Shown(experiment.Run.Path)}"
        );
        if (Advice.OfCore() is { } advice)
            terminal.Note(advice);
        terminal.Note("");
    }

    private static void Show(Outcome outcome, Terminal terminal)
    {
        var (experiment, result) = (outcome.Experiment, outcome.Result);
        var table = MetricsTable.Create($"{experiment.Recipe.Model.Title} on {experiment.Recipe.Data.Name}", result.LastEma is not null);
        if (result.Last is { } last)
            MetricsTable.AddTo(table, last, experiment.Task.SampleNoun, result.LastEma);
        Add("time", Figures.Time(outcome.Time));
        if (outcome.ImagesPerSecond > 0)
        {
            Add($"training {experiment.Task.SampleNoun} per second", $"{outcome.ImagesPerSecond:N0}");
            if (outcome.Arithmetic is { } arithmetic)
                Add("arithmetic", Figures.Speed(arithmetic, outcome.ImagesPerSecond));
        }
        if (outcome.Unreadable > 0)
            Add("unreadable images", $"{outcome.Unreadable:N0}");
        table.Show(terminal);
        terminal.Note($"run     {Shown(experiment.Run.Path)}");
        if (File.Exists(experiment.Run.ReportPath))
            terminal.Note($"report  {Shown(experiment.Run.ReportPath)}");

        void Add(string name, string value) => table.Add(result.LastEma is null ? [name, value] : [name, value, ""]);
    }

    private static void WriteJson(Outcome outcome)
    {
        var (experiment, result) = (outcome.Experiment, outcome.Result);
        var (recipe, classes) = (experiment.Recipe, experiment.Facts.Classes);
        var written = (JsonObject)
            Terminal.ToJson(
                new
                {
                    result.Completed,
                    Run = experiment.Run.Path,
                    Report = File.Exists(experiment.Run.ReportPath) ? experiment.Run.ReportPath : null,
                    Bundle = experiment.Run.BundlePath,
                    Task = experiment.Task.Name,
                    Model = recipe.Model.Title,
                    Data = recipe.Data.Name,
                    result.Steps,
                    TotalSteps = experiment.Trainer.TotalSteps,
                    Epochs = experiment.Trainer.TotalEpochs,
                    Seconds = Math.Round(outcome.Time.TotalSeconds, 3),
                    ImagesPerSecond = Math.Round(outcome.ImagesPerSecond, 1),
                    Gflops = outcome.Arithmetic is { } arithmetic
                        ? Math.Round(arithmetic.Gflops(outcome.ImagesPerSecond), 1)
                        : (double?)null,
                    PeakShare = outcome.Arithmetic?.Share(outcome.ImagesPerSecond) is { } share ? Math.Round(share, 4) : (double?)null,
                    outcome.Unreadable,
                    outcome.Cost.Parameters,
                    outcome.Cost.Macs,
                    Score = result.Last?.Score,
                    Evaluation = result.Last?.ToJson(classes),
                    Averaged = result.LastEma?.ToJson(classes),
                }
            )!;
        foreach (var (figure, value) in result.Last?.Scalars ?? new Dictionary<string, double>())
            written[figure] = double.IsFinite(value) ? value : null;
        Terminal.WriteJson(written);
    }

    /// <summary>A path relative to where the user is, as long as that is shorter.</summary>
    internal static string Shown(string path) =>
        Path.GetRelativePath(Environment.CurrentDirectory, path) is var relative && relative.Length < path.Length ? relative : path;

    private sealed record Outcome(
        Experiment Experiment,
        TrainingResult Result,
        TimeSpan Time,
        double ImagesPerSecond,
        int Unreadable,
        ModelCost Cost,
        Arithmetic? Arithmetic
    );

    /// <summary>Gathers the speed of the steps, and how many images could not be read.</summary>
    private sealed class Speed
    {
        internal double ImagesPerSecond { get; private set; }

        internal int Unreadable { get; private set; }

        internal void Handle(TrainingEvent happened)
        {
            if (happened is StepDone step)
                ImagesPerSecond = step.ImagesPerSecond;
            if (happened is ImageUnreadable found)
                Unreadable = found.Count;
        }
    }
}
