using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;
using Tessera.Models;
using Tessera.Models.Measurement;
using Tessera.Training;
using Tessera.Training.Experiments;
using Tessera.Training.Reports;
using Tessera.Training.Runs;

namespace Tessera.Search.Judging;

/// <summary>
/// Judges a search by training from scratch: its winner, networks that chance has drawn from the space within the budget, and networks that
/// people have made, all alike. Each training is a run of its own below <c>judge/</c> in the search's folder; what was stopped goes on.
/// </summary>
public sealed class Judge
{
    private const string FolderName = "judge",
        PlanName = "plan.json",
        ResultName = "judge.json",
        PageName = "report.html",
        Stage = "stage:";

    private const double SecondsPerHour = 3600;

    // Draws for each network that is wanted; a budget that allows fewer is too narrow for chance.
    private const int MostDraws = 100;

    private static readonly JsonSerializerOptions json = new(RunFolder.Json)
    {
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.SnakeCaseLower) },
    };

    private readonly SearchContext context;
    private readonly JudgeOptions options;
    private readonly Func<string, double>? supernet;

    /// <summary>Prepares it; nothing is trained yet.</summary>
    /// <param name="context">The search, after its end.</param>
    /// <param name="options">What it is judged by.</param>
    /// <param name="supernet">Scores a genome as the stage that decides does; null for a search without one.</param>
    public Judge(SearchContext context, JudgeOptions options, Func<string, double>? supernet) =>
        (this.context, this.options, this.supernet) = (context, options, supernet);

    /// <summary>Folder of the trainings and of the outcome.</summary>
    public string Folder => Path.Combine(context.Folder, FolderName);

    /// <summary>Path of the outcome, in JSON.</summary>
    public string ResultPath => Path.Combine(Folder, ResultName);

    /// <summary>Path of the page about it.</summary>
    public string ReportPath => Path.Combine(Folder, PageName);

    /// <summary>Whether the search is being judged, or was.</summary>
    public bool HasBegun => File.Exists(Path.Combine(Folder, PlanName));

    /// <summary>The networks, and how each is trained; it holds for all of the judgement.</summary>
    private sealed record Plan(int Seeds, IReadOnlyList<JudgedNetwork> Networks, string Retraining);

    /// <summary>Trains what is not trained yet, and writes the outcome.</summary>
    /// <param name="winner">Genome that the search has found.</param>
    /// <param name="report">Told what happens, on the thread that calls.</param>
    /// <param name="stop">Ends it with a checkpoint.</param>
    /// <exception cref="RunException">The budget allows too few networks, or a network made by hand is not known.</exception>
    /// <exception cref="OperationCanceledException"><paramref name="stop"/> was signalled.</exception>
    public Judgement Run(string winner, Action<JudgeProgress>? report = null, CancellationToken stop = default)
    {
        using var held = RunLock.Take(Folder);
        var plan = Planned(winner, stop);
        var trainings = plan.Networks.SelectMany(network => Enumerable.Range(0, plan.Seeds).Select(seed => (network, seed))).ToArray();
        var (begun, trained) = (Stopwatch.GetTimestamp(), 0);
        foreach (var (i, (network, seed)) in trainings.Index())
        {
            if (IsDone(network, seed))
                continue;
            void Tell(TrainingEvent? happened) =>
                report?.Invoke(
                    new(
                        NameOf(network, seed),
                        i + 1,
                        trainings.Length,
                        trained == 0 ? null : Stopwatch.GetElapsedTime(begun) / trained * (trainings.Length - i),
                        happened
                    )
                );
            Tell(null);
            Train(network, seed, Tell, stop);
            trained++;
        }
        var judgement = Outcome(plan);
        RunFolder.Write(ResultPath, JsonSerializer.Serialize(judgement, json));
        RunFolder.Write(ReportPath, JudgePage.Render(Path.GetFileName(context.Folder), judgement));
        return judgement;
    }

    private Plan Planned(string winner, CancellationToken stop)
    {
        var path = Path.Combine(Folder, PlanName);
        var retraining = Training.Recipes.RecipeJson.Write(context.Recipe.Retrain)!.ToJsonString();
        if (File.Exists(path))
        {
            var before = Read(path);
            var drawn = before.Networks.Count(one => one.Role == NetworkRole.Random);
            string[] made = [.. before.Networks.Where(one => one.Role == NetworkRole.HandMade).Select(one => one.Network)];
            var difference =
                before.Seeds != options.Seeds ? $"it has {before.Seeds} trainings of each network, not {options.Seeds}"
                : drawn != options.Random ? $"it has {drawn} random networks, not {options.Random}"
                : !made.SequenceEqual(options.HandMade ?? []) ? $"its networks made by hand are [{string.Join(", ", made)}]"
                : before.Networks[0].Network != winner ? "the search has another winner by now"
                : before.Retraining != retraining ? "its networks are trained in another way"
                : null;
            return difference is null
                ? before
                : throw new RunException($"{Folder} holds another judgement: {difference}. Move it away, or judge in the same way");
        }
        var networks = new List<JudgedNetwork> { Of("winner", NetworkRole.Winner, winner) };
        foreach (var (i, genome) in Drawn(winner, stop).Index())
            networks.Add(Of(string.Create(CultureInfo.InvariantCulture, $"random-{i + 1}"), NetworkRole.Random, genome));
        foreach (var (i, made) in (options.HandMade ?? []).Index())
            networks.Add(
                Registry.All.Any(variant => variant.Name == made)
                    ? OfModel(made)
                    : Of(string.Create(CultureInfo.InvariantCulture, $"hand-made-{i + 1}"), NetworkRole.HandMade, made)
            );
        var plan = new Plan(options.Seeds, networks, retraining);
        RunFolder.Write(path, JsonSerializer.Serialize(plan, json));
        return plan;

        JudgedNetwork Of(string name, NetworkRole role, string genome)
        {
            stop.ThrowIfCancellationRequested();
            try
            {
                var cost = context.CostOf(genome);
                return new(name, role, genome, cost, context.Recipe.Limits.Allows(cost), supernet?.Invoke(genome));
            }
            catch (FormatException error)
            {
                throw new RunException($"{genome} is neither a model of the registry nor a network of the search: {error.Message}");
            }
        }
    }

    private static Plan Read(string path)
    {
        try
        {
            return JsonSerializer.Deserialize<Plan>(File.ReadAllBytes(path), json) is { Networks.Count: > 0 } plan
                ? plan
                : throw new JsonException("it has no networks");
        }
        catch (JsonException error)
        {
            throw new RunException($"{path}: it cannot be read as the plan of a judgement: {error.Message}");
        }
    }

    // A model of the registry has the costs that are counted alike; the method's counter and the table are of its own networks.
    private JudgedNetwork OfModel(string name)
    {
        using var scope = new Scope();
        var counted = ModelCost.Count(Registry.Create(name, context.ModelOptions));
        var cost = new CandidateCost(counted.Macs, counted.Parameters);
        var limits = context.Recipe.Limits with { Published = null, LatencyMs = null };
        return new(name, NetworkRole.HandMade, name, cost, limits.Allows(cost), null);
    }

    private List<string> Drawn(string winner, CancellationToken stop)
    {
        var random = new Random((int)(context.Recipe.Seed ^ (context.Recipe.Seed >> 32)));
        var found = new List<string>();
        for (var draws = 0; found.Count < options.Random; draws++)
        {
            stop.ThrowIfCancellationRequested();
            if (draws == MostDraws * options.Random)
                throw new RunException(
                    $"only {found.Count} of {draws} networks that chance has drawn are within the budget, and {options.Random} are wanted"
                );
            var genome = context.Recipe.Search.Draw(random, context);
            if (genome != winner && !found.Contains(genome) && context.Recipe.Limits.Allows(context.CostOf(genome)))
                found.Add(genome);
        }
        return found;
    }

    private string NameOf(JudgedNetwork network, int seed) =>
        options.Seeds == 1 ? network.Name : string.Create(CultureInfo.InvariantCulture, $"{network.Name}-seed-{seed + 1}");

    private string FolderOf(JudgedNetwork network, int seed) => Path.Combine(Folder, NameOf(network, seed));

    private IReadOnlyList<(string Name, Recipe Recipe)> Recipes(JudgedNetwork network, int seed)
    {
        var own = context.Recipe.Seed + (ulong)seed;
        return network.Role == NetworkRole.HandMade && Registry.All.Any(variant => variant.Name == network.Network)
            ?
            [
                (
                    "retrained",
                    context.Recipe.Retrain.With(
                        new(network.Network) { ImageSize = context.Recipe.ImageSize },
                        context.Recipe.Data,
                        seed: own
                    )
                ),
            ]
            : context.Recipe.Search.Retraining(network.Network, context, own);
    }

    // A training of several stages has a run for each, below the network's folder; the last one's score counts.
    private IReadOnlyList<string> Runs(JudgedNetwork network, int seed, IReadOnlyList<(string Name, Recipe Recipe)> recipes) =>
        recipes.Count == 1 ? [FolderOf(network, seed)] : [.. recipes.Select(recipe => Path.Combine(FolderOf(network, seed), recipe.Name))];

    private bool IsDone(JudgedNetwork network, int seed) =>
        Runs(network, seed, Recipes(network, seed)).All(run => File.Exists(new RunFolder(run).ResultsPath));

    private void Train(JudgedNetwork network, int seed, Action<TrainingEvent?> report, CancellationToken stop)
    {
        var recipes = Recipes(network, seed);
        foreach (var ((_, recipe), path) in recipes.Zip(Runs(network, seed, recipes)))
        {
            var run = new RunFolder(path);
            if (File.Exists(run.ResultsPath))
                continue;
            using var experiment = run.Exists
                ? Experiment.Resume(path, report, stop: stop)
                : Experiment.Begin(Resolved(recipe, FolderOf(network, seed)), path, report, stop: stop);
            if (!experiment.Train(stop).Completed)
                throw new OperationCanceledException(stop);
        }
    }

    // A value stage:NAME stands for the run of an earlier stage, which as a path would lie in the current folder.
    private static Recipe Resolved(Recipe recipe, string folder)
    {
        var yaml = recipe.ToYaml(absolutePaths: true);
        return yaml.Contains(Stage, StringComparison.Ordinal)
            ? Recipe.Parse(
                yaml.Replace(Path.GetFullPath(Stage), $"{folder}/", StringComparison.Ordinal)
                    .Replace(Stage, $"{folder}/", StringComparison.Ordinal),
                folder
            )
            : recipe;
    }

    private Judgement Outcome(Plan plan)
    {
        string? score = null;
        var higher = true;
        JudgedNetwork[] networks =
        [
            .. plan.Networks.Select(network =>
            {
                RunSummary[][] runs =
                [
                    .. Enumerable
                        .Range(0, plan.Seeds)
                        .Select(seed => Runs(network, seed, Recipes(network, seed)).Select(RunSummary.Of).ToArray()),
                ];
                return network with
                {
                    Scores = [.. runs.Select(stages => ScoreOf(stages[^1]))],
                    CoreHours = runs.Sum(stages => stages.Sum(HoursOf)),
                };
            }),
        ];
        return new(score!, higher, networks, SearchHours());

        double ScoreOf(RunSummary run)
        {
            score = run.Primary;
            higher = (bool?)run.Curves.Evaluations[^1][RunLog.HigherIsBetter] ?? true;
            return run.Last ?? throw new RunException($"{run.Path}: the run has measured no score");
        }
    }

    // A run whose recipe names no threads had those of the machine.
    private static double HoursOf(RunSummary run)
    {
        var named = run.Fields.TryGetValue("train.threads", out var text) ? int.Parse(text, CultureInfo.InvariantCulture) : 0;
        return run.Seconds * (named > 0 ? named : Torch.Threads) / SecondsPerHour;
    }

    // Of its trainings and of its candidates.
    private double SearchHours()
    {
        var hours = 0.0;
        foreach (var stage in context.Recipe.Search.Stages(context))
            if (stage is CandidateStage)
                hours += context.Candidates(stage.Name).Sum(one => one.Seconds ?? 0) * context.Recipe.Threads / SecondsPerHour;
            else if (new RunFolder(context.FolderOf(stage.Name)) is { Exists: true } run)
                hours += HoursOf(RunSummary.Of(run.Path));
        return hours;
    }
}
