using System.Text.Json;
using Tessera.Search.Results;
using Tessera.Search.Storage;
using Tessera.Training;
using Tessera.Training.Experiments;
using Tessera.Training.Reports;
using Tessera.Training.Runs;

namespace Tessera.Search.Running;

/// <summary>A training of the winner from scratch.</summary>
/// <param name="Name">Name of the training.</param>
/// <param name="Folder">Folder of its run.</param>
/// <param name="Primary">Name of its primary score; null where nothing was measured.</param>
/// <param name="Score">The score at the end.</param>
public sealed record RetrainedRun(string Name, string Folder, string? Primary, double? Score);

/// <summary>What a search came to.</summary>
/// <param name="Completed">Whether it came to its end; otherwise it was stopped and can go on.</param>
/// <param name="Ranking">The networks from the best to the worst; nothing where it was stopped.</param>
/// <param name="Retrained">Trainings of the winner from scratch.</param>
public sealed record SearchOutcome(bool Completed, IReadOnlyList<RankedNetwork> Ranking, IReadOnlyList<RetrainedRun> Retrained);

/// <summary>
/// A search in its folder: it begins, goes on after any end, and can be looked at meanwhile. The number of workers, the order in which
/// they finish and interruptions change nothing about its candidates.
/// </summary>
public sealed class SearchRun : IDisposable
{
    // Leases by these names are void once another process runs the search: only one can.
    private const string WorkerPrefix = "search-";

    private readonly SearchFolder folder;
    private IReadOnlyList<ComparedNetwork> handMade = [];

    private SearchRun(SearchRecipe recipe, SearchFolder folder)
    {
        (Recipe, this.folder) = (recipe, folder);
        Store = CandidateStore.Open(recipe, folder.Path);
        Context = new(recipe, folder.Path, Store);
    }

    /// <summary>The full recipe.</summary>
    public SearchRecipe Recipe { get; }

    /// <summary>The folder, absolute.</summary>
    public string Folder => folder.Path;

    /// <summary>The candidates.</summary>
    public ICandidateStore Store { get; }

    /// <summary>What methods and stages know of the search.</summary>
    public SearchContext Context { get; }

    /// <summary>Begins a search; nothing is computed yet.</summary>
    /// <param name="recipe">The recipe.</param>
    /// <param name="folder">Where it goes; must not hold a search yet.</param>
    /// <param name="head">Comment in front of the recipe that is kept.</param>
    /// <exception cref="RunException">The folder holds a search already, or the database cannot be used.</exception>
    public static SearchRun Begin(SearchRecipe recipe, string folder, string head = "")
    {
        var place = new SearchFolder(folder);
        using var held = RunLock.Take(place.Path);
        if (place.Exists || new RunFolder(place.Path).Exists)
            throw new RunException($"{folder} holds a search or a run already: go on with --resume {folder}, or choose another --out");
        var kept = recipe with { HandMade = recipe.HandMade?.Select(Path.GetFullPath).ToArray() };
        var search = new SearchRun(kept, place);
        // Last: where there is a recipe, there is a search that can go on.
        RunFolder.Write(place.RecipePath, kept.ToYaml(head));
        return search;
    }

    /// <summary>Opens a search to look at it, to work for it or to go on with it.</summary>
    /// <param name="folder">Its folder.</param>
    /// <exception cref="RunException">There is none.</exception>
    public static SearchRun Open(string folder)
    {
        var place = new SearchFolder(folder);
        return place.Exists
            ? new(SearchRecipe.Load(place.RecipePath), place)
            : throw new RunException($"{folder}: there is no search (no {Path.GetFileName(place.RecipePath)})");
    }

    /// <summary>A stage of candidates by its name.</summary>
    /// <param name="name">The name.</param>
    /// <exception cref="RunException">There is none.</exception>
    internal CandidateStage CandidateStage(string name)
    {
        var stages = Recipe.Search.Stages(Context).OfType<CandidateStage>().ToArray();
        return stages.FirstOrDefault(stage => stage.Name == name)
            ?? throw new RunException(
                $"{Folder}: there is no stage of candidates '{name}'; there is {string.Join(", ", stages.Select(stage => stage.Name))}"
            );
    }

    /// <summary>Runs what is left of the search.</summary>
    /// <param name="options">Workers, and whether the winner is trained; null for what the recipe says.</param>
    /// <param name="report">Told what happens, on the thread that calls.</param>
    /// <param name="stop">Ends it in good order: with a checkpoint, or with the candidate at hand given back.</param>
    /// <exception cref="RunException">Another process runs it, or too many candidates have failed.</exception>
    public SearchOutcome Run(SearchRunOptions? options = null, Action<SearchEvent>? report = null, CancellationToken stop = default)
    {
        options ??= new();
        var told = report ?? (_ => { });
        using var held = RunLock.Take(Folder);
        try
        {
            handMade = ComparedNetwork.Of(Context, stop);
            var stages = Recipe.Search.Stages(Context);
            foreach (var (i, stage) in stages.Index())
            {
                stop.ThrowIfCancellationRequested();
                told(new StageBegun(stage.Name, i + 1, stages.Count));
                switch (stage)
                {
                    case TrainingStage training:
                        Train(stage.Name, Context.FolderOf(stage.Name), training.Recipe, told, stop);
                        break;
                    case CandidateStage candidates:
                        Score(candidates, options, told, stop);
                        break;
                    default:
                        throw new NotSupportedException($"stage {stage.Name} is neither a training nor one of candidates");
                }
            }
            var ranking = NetworkRanking.Of(Context);
            if (ranking.Count == 0)
                throw new RunException($"{Folder}: the search ends without a network: {FirstError() ?? "none was proposed"}");
            Write(ranking, []);
            var retrained = options.Retrain ? Retrain(ranking[0].Genome, told, stop) : [];
            Write(ranking, retrained);
            return new(true, ranking, retrained);
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            return new(false, [], []);
        }
    }

    private string? FirstError() =>
        Store.Read(Recipe.Search.RankedStage).FirstOrDefault(one => one.State == CandidateState.Failed) is { } failed
            ? $"{failed.Genome}: {failed.Error}"
            : null;

    // Begins the run of a stage, or goes on with it.
    private static void Train(string name, string path, Func<Recipe> recipe, Action<SearchEvent> report, CancellationToken stop)
    {
        var run = new RunFolder(path);
        if (File.Exists(run.ResultsPath))
            return;
        void Pass(TrainingEvent happened) => report(new StageTrains(name, happened));
        using var experiment = run.Exists ? Experiment.Resume(path, Pass, stop: stop) : Experiment.Begin(recipe(), path, Pass, stop: stop);
        if (!experiment.Train(stop).Completed)
            throw new OperationCanceledException(stop);
    }

    private void Score(CandidateStage stage, SearchRunOptions options, Action<SearchEvent> report, CancellationToken stop)
    {
        var run = $"{WorkerPrefix}{Guid.NewGuid():N}"[..(WorkerPrefix.Length + 8)];
        foreach (var left in Store.Read(stage.Name).Where(one => one.State == CandidateState.Leased))
            if (left.Worker is { } worker && worker.StartsWith(WorkerPrefix, StringComparison.Ordinal))
                Store.Release(left.Id, worker);
        var workers = options.Workers ?? Recipe.Workers;
        var work = new CandidateWork(Context, Store, stage, workers, report);
        // Proposals compute, too: costs, surrogates.
        var threads = Torch.Threads;
        Torch.Threads = Recipe.Threads;
        try
        {
            if (workers == 1)
            {
                using var worker = new Lazily<SearchWorker>(() => new(Context, Store, stage, $"{run}/1", options.Lease));
                work.Run(
                    () =>
                    {
                        if (!worker.Value.ScoreNext(stop))
                            stop.WaitHandle.WaitOne(options.Interval);
                    },
                    WriteReport,
                    stop
                );
                return;
            }
            if (options.Launch is not { } launch)
                throw new RunException($"{workers} workers need processes, which this program does not start: set workers to 1");
            var number = 0;
            using var processes = new Lazily<WorkerProcesses>(() =>
                new(Store, stage.Name, Recipe.Attempts, workers, name => launch(stage.Name, name), () => $"{run}/{++number}")
            );
            work.Run(
                () =>
                {
                    processes.Value.Tend();
                    stop.WaitHandle.WaitOne(options.Interval);
                },
                WriteReport,
                stop
            );
        }
        finally
        {
            Torch.Threads = threads;
        }
    }

    // A stage that is over already opens neither weights nor data.
    private sealed class Lazily<T>(Func<T> create) : IDisposable
        where T : class, IDisposable
    {
        private T? made;

        internal T Value => made ??= create();

        public void Dispose() => made?.Dispose();
    }

    private List<RetrainedRun> Retrain(string genome, Action<SearchEvent> report, CancellationToken stop)
    {
        var recipes = RetrainingRecipe.Of(Context, genome);
        var path = Path.Combine(folder.WinnerPath, "recipe.yaml");
        RetrainingRecipe.Write(path, Context, genome);
        // The file is read back, so that what is trained is what the file says.
        IReadOnlyList<(string Name, Recipe Recipe)> written =
            recipes.Count == 1 ? [(recipes[0].Name, Training.Experiments.Recipe.Load(path))] : StagedRun.Read(path, [], folder.WinnerPath);
        List<RetrainedRun> done = [];
        foreach (var (i, (name, recipe)) in written.Index())
        {
            var place = Path.Combine(folder.WinnerPath, name);
            report(new StageBegun($"{Path.GetFileName(folder.WinnerPath)}/{name}", i + 1, written.Count));
            Train(name, place, () => recipe, report, stop);
            var summary = RunSummary.Of(place);
            done.Add(new(name, place, summary.Primary, summary.Last));
        }
        return done;
    }

    private void WriteReport() => WriteReport(NetworkRanking.Of(Context), []);

    private void WriteReport(IReadOnlyList<RankedNetwork> ranking, IReadOnlyList<RetrainedRun> retrained) =>
        RunFolder.Write(
            folder.ReportPath,
            SearchPage.Render(
                Context,
                ranking,
                retrained.Select(one =>
                    ($"{one.Name}, trained from scratch", FormattableString.Invariant($"{one.Primary} {one.Score:0.0000}"))
                ),
                handMade
            )
        );

    private void Write(IReadOnlyList<RankedNetwork> ranking, IReadOnlyList<RetrainedRun> retrained)
    {
        RunFolder.Write(
            folder.ResultsPath,
            JsonSerializer.Serialize(
                new
                {
                    Winner = Described(ranking[0]),
                    TiesWithBest = ranking.Where(one => one.TiesWithBest).Select(Described),
                    Networks = ranking.Count,
                    Retrained = retrained,
                },
                RunFolder.Json
            )
        );
        WriteReport(ranking, retrained);

        static object Described(RankedNetwork one) =>
            new
            {
                one.Rank,
                one.Genome,
                one.Candidate?.Score,
                one.Candidate?.StandardError,
                one.Cost,
                one.Candidate?.Generation,
            };
    }

    /// <summary>Closes the database.</summary>
    public void Dispose() => Store.Dispose();
}
