using Tessera.Models;
using Tessera.Search;
using Tessera.Search.Methods;
using Tessera.Testing;
using Tessera.Training;
using Tessera.Training.Recipes;

namespace Tessera.Tests.Search.Methods;

/// <summary>PNAS as a method of searching: its stages, its scores and its result.</summary>
public sealed class PnasMethodTests
{
    private const string Yaml = """
        search:
          name: pnas
          blocks: 3
          keep: 4
          first: 12
          cells: 1
          filters: 2
          surrogate: { kind: mlp, ensemble: 2, embedding: 6, hidden: 8, epochs: 5, further_epochs: 2, lr: 0.02, further_lr: 0.004 }
          proxy:
            batch: 10
            optimizer: { name: sgd, lr: 0.05 }
            schedule: { name: cosine, epochs: 1 }
          found: { cells: 1, filters: 4, drop_path: 0.3 }
        data: { name: fashion_mnist, batch: 10, minival: 0.25 }
        retrain:
          optimizer: { name: sgd, lr: 0.05 }
          schedule: { name: cosine, epochs: 1 }
        """;

    private static SearchContext Context(TempFolder folder, Scores store, params string[] settings)
    {
        var (data, file) = (folder["data"], folder["search.yaml"]);
        if (!Directory.Exists(data))
            SmallMnist.Write(data, 40, 10);
        File.WriteAllText(file, Yaml);
        return new(SearchRecipe.Load(file, [$"data.root={data}", .. settings]), folder.Path, store);
    }

    private static CandidateStage Stage(SearchContext context, int blocks) =>
        Assert.IsAssignableFrom<CandidateStage>(context.Recipe.Search.Stages(context)[blocks - 1]);

    // What stands for the trained networks: the mean of the operations' numbers, without one that fails.
    private static double Score(PnasCell cell) => 0.5 + 0.05 * cell.Blocks.Average(block => block.Operation1 + block.Operation2) / 2;

    private static IReadOnlyList<Proposal> Propose(SearchContext context, Scores store, int blocks, Predicate<string>? fails = null)
    {
        var proposals = Stage(context, blocks).Propose([], default)!;
        store.Keep(PnasMethod.StageOf(blocks), proposals, fails);
        return proposals;
    }

    private static string[] Search(TempFolder folder, Predicate<string>? fails, params string[] settings)
    {
        var store = new Scores();
        var context = Context(folder, store, settings);
        return [.. Enumerable.Range(1, 3).SelectMany(blocks => Propose(context, store, blocks, fails)).Select(one => one.Genome)];
    }

    [Fact]
    public void There_is_a_stage_for_each_number_of_blocks_and_the_last_one_is_ranked()
    {
        using var folder = new TempFolder();
        var context = Context(folder, new());
        Assert.Equal(["blocks-1", "blocks-2", "blocks-3"], context.Recipe.Search.Stages(context).Select(stage => stage.Name));
        Assert.Equal("blocks-3", context.Recipe.Search.RankedStage);
        Assert.Equal(3, PnasCell.Parse(context.Recipe.Search.Draw(new Random(1), context)).Blocks.Count);
    }

    [Fact]
    public void Cells_grow_out_of_those_that_were_trained()
    {
        using var folder = new TempFolder();
        var store = new Scores();
        var context = Context(folder, store);
        var first = Propose(context, store, 1);
        Assert.Equal(12, first.Select(one => one.Genome).Distinct().Count());
        Assert.All(first, one => Assert.Empty(one.Figures));
        Assert.All(first, one => Assert.True(one.Cost is { Macs: > 0, Parameters: > 0 }));
        var parents = first;
        for (var blocks = 2; blocks <= 3; blocks++)
        {
            var next = Propose(context, store, blocks);
            Assert.Equal(4, next.Count);
            foreach (var one in next)
            {
                var cell = PnasCell.Parse(one.Genome);
                Assert.Equal((blocks, cell), (cell.Blocks.Count, cell.Canonical()));
                Assert.Equal(new PnasCell(cell.Blocks.SkipLast(1)).ToString(), Assert.Single(one.Parents));
                Assert.Contains(one.Parents[0], parents.Select(parent => parent.Genome));
                Assert.InRange(one.Figures[PnasMethod.Prediction], 0, 1);
            }
            Assert.Equal(next.OrderByDescending(one => one.Figures[PnasMethod.Prediction]), next);
            Assert.Null(Stage(context, blocks).Propose([store.Read(PnasMethod.StageOf(blocks))], default));
            parents = next;
        }
    }

    [Fact]
    public void Proposals_are_a_function_of_scores_and_seed()
    {
        using var folder = new TempFolder();
        var once = Search(folder, null);
        Torch.Seed(77);
        Assert.Equal(once, Search(folder, null));
        Assert.NotEqual(once, Search(folder, null, "seed=5"));
    }

    [Fact]
    public void All_cells_of_one_block_are_trained_by_default()
    {
        using var folder = new TempFolder();
        var recipe = Context(folder, new()).Recipe;
        var whole = recipe with { Search = (PnasMethod)recipe.Search with { First = null } };
        var first = Stage(new(whole, folder.Path, new Scores()), 1).Propose([], default)!;
        Assert.Equal(new PnasSpace().Blocks(1).Select(block => new PnasCell(block).ToString()), first.Select(one => one.Genome));
    }

    [Fact]
    public void A_cell_that_failed_teaches_nothing_and_does_not_grow()
    {
        using var folder = new TempFolder();
        var store = new Scores();
        var context = Context(folder, store);
        var number = 0;
        Propose(context, store, 1, _ => number++ % 2 == 0);
        var alive = store.Read("blocks-1").Where(one => one.State == CandidateState.Scored).Select(one => one.Genome).ToHashSet();
        Assert.Equal(6, alive.Count);
        Assert.All(Propose(context, store, 2), one => Assert.Contains(one.Parents[0], alive));

        var none = new Scores();
        var other = Context(folder, none);
        Propose(other, none, 1, _ => true);
        Assert.Contains(
            "no cell of 1 blocks has a score",
            Assert.Throws<RunException>(() => Stage(other, 2).Propose([], default)).Message,
            StringComparison.Ordinal
        );
    }

    [Fact]
    public void Only_networks_within_the_budget_are_proposed()
    {
        using var folder = new TempFolder();
        var store = new Scores();
        var free = Context(folder, store);
        Propose(free, store, 1);
        var most = Propose(free, store, 2).Max(one => one.Cost.Parameters!.Value) - 1;
        // The dearest of those that would be proposed is left out: one has to look further down.
        var bound = new SearchContext(free.Recipe with { Budget = new Budget(Parameters: [most]) }, folder.Path, store);
        var cheaper = Stage(bound, 2).Propose([], default)!;
        Assert.Equal(4, cheaper.Count);
        Assert.All(cheaper, one => Assert.True(one.Cost.Parameters <= most));
        var nothing = new SearchContext(free.Recipe with { Budget = new Budget(Parameters: [1]) }, folder.Path, store);
        Assert.Contains(
            "budget allows no network",
            Assert.Throws<RunException>(() => Stage(nothing, 1).Propose([], default)).Message,
            StringComparison.Ordinal
        );
    }

    [Fact]
    public void A_score_is_a_function_of_cell_and_seed_alone()
    {
        using var folder = new TempFolder();
        var context = Context(folder, new());
        const string cell = "0-1-0-6",
            other = "0-0-1-4_1-2-7-3";
        using var scorer = Stage(context, 1).CreateScorer();
        var score = scorer.Score(cell, seed: 3, default);
        scorer.Score(other, seed: 3, default);
        using var fresh = Stage(context, 1).CreateScorer();
        var again = fresh.Score(cell, seed: 3, default);
        Assert.Equal(score.Figures.OrderBy(figure => figure.Key), again.Figures.OrderBy(figure => figure.Key));
        Assert.Equal((score.Value, score.StandardError), (again.Value, again.StandardError));
        Assert.NotEqual(score.Figures["loss"], fresh.Score(cell, seed: 4, default).Figures["loss"]);
        // Of 40 training samples, 10 are held out.
        Assert.Equal(Math.Sqrt(score.Value * (1 - score.Value) / 10), score.StandardError, 1e-12);
        using var stop = new CancellationTokenSource();
        stop.Cancel();
        Assert.Throws<OperationCanceledException>(() => fresh.Score(cell, 3, stop.Token));
    }

    [Fact]
    public void The_found_network_has_sizes_and_a_training_of_its_own()
    {
        using var folder = new TempFolder();
        var context = Context(folder, new());
        var (name, recipe) = Assert.Single(context.Recipe.Search.Retraining("0-1-0-6", context, seed: 9));
        Assert.Equal("retrained", name);
        Assert.Equal((9UL, 0.3), (recipe.Train.Seed, recipe.Model.DropPath));
        Assert.Equal((1, 4), recipe.Model.Architecture is PnasNetworkOptions found ? (found.Cells, found.Filters) : default);
        Assert.Equal("train", recipe.Data.Split);
        Assert.Throws<FormatException>(() => context.Recipe.Search.Network("0-1-0-9", context));
    }

    [Fact]
    public void A_training_of_candidates_that_needs_checkpoints_is_refused()
    {
        using var folder = new TempFolder();
        Assert.Contains(
            "proxy.train.non_finite must be stop or skip",
            Assert.Throws<RecipeException>(() => Context(folder, new(), "search.proxy.train.non_finite=rollback")).Message,
            StringComparison.Ordinal
        );
    }

    [Theory]
    [InlineData("pnas_cifar10", 5, 256, null)]
    [InlineData("pnas_small", 3, 8, 40)]
    public void The_recipes_of_the_project_can_be_read(string name, int blocks, int keep, int? first)
    {
        var recipe = SearchRecipe.Load(Path.Combine(Repository.Root, "recipes", "search", $"{name}.yaml"));
        var method = Assert.IsType<PnasMethod>(recipe.Search);
        Assert.Equal((blocks, keep, first), (method.Blocks, method.Keep, method.First));
    }

    /// <summary>Candidates that are scored as soon as they are proposed.</summary>
    private sealed class Scores : ICandidateStore
    {
        private readonly List<Candidate> all = [];

        internal void Keep(string stage, IReadOnlyList<Proposal> proposals, Predicate<string>? fails)
        {
            foreach (var (i, one) in proposals.Index())
            {
                var failed = fails?.Invoke(one.Genome) == true;
                all.Add(
                    new(all.Count + 1, stage, 0, i, one.Genome, one.Cost, 0, failed ? CandidateState.Failed : CandidateState.Scored)
                    {
                        Score = failed ? null : Score(PnasCell.Parse(one.Genome)),
                    }
                );
            }
        }

        public IReadOnlyList<Candidate> Read(string? stage = null) => [.. all.Where(one => stage is null || one.Stage == stage)];

        public void Add(string stage, int generation, IReadOnlyList<Proposal> proposals) => throw new NotSupportedException();

        public Candidate? Lease(string stage, string worker, TimeSpan duration, int attempts) => throw new NotSupportedException();

        public bool Renew(long id, string worker, TimeSpan duration) => throw new NotSupportedException();

        public void Release(long id, string worker) => throw new NotSupportedException();

        public bool Complete(long id, string worker, CandidateScore score, double seconds) => throw new NotSupportedException();

        public bool Fail(long id, string worker, string error, int attempts) => throw new NotSupportedException();

        public void Dispose() { }
    }
}
