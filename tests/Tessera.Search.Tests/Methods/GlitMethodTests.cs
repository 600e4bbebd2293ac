using Tessera.Data;
using Tessera.Models;
using Tessera.Nn;
using Tessera.Search;
using Tessera.Search.Methods;
using Tessera.Search.Running;
using Tessera.Testing;
using Tessera.Tests.Search.Toys;

namespace Tessera.Tests.Search.Methods;

public sealed class GlitMethodTests : IDisposable
{
    private readonly TempFolder folder = new();

    public void Dispose() => folder.Dispose();

    private SearchContext Context(params string[] settings) => new(Searches.Glit(folder, settings), folder.Path, null);

    private static CandidateStage First(SearchContext context) => context.Recipe.Search.Stages(context).OfType<CandidateStage>().First();

    [Fact]
    public void Evolution_finds_the_best_distribution_of_a_known_function()
    {
        var context = Context("search.depth=6", "search.population=20", "search.generations=15", "search.parents=6");
        int[] best = [3, 0, 1, 2, 0, 3];
        var generations = Searches.Drive(First(context), genome =>
            1 - genome.Split(' ').Zip(best, (text, wanted) => Math.Abs(text[0] - '0' - wanted)).Sum() / 20.0
        );
        var all = generations.SelectMany(generation => generation).ToArray();
        Assert.Equal(300, all.Select(one => one.Genome).Distinct().Count());
        Assert.Equal(1, all.Max(one => one.Score));
        // The first half of the children are mutated, the others crossed.
        Assert.All(generations.Skip(1), generation => Assert.All(generation.Take(10), one => Assert.InRange(one.Parents.Count, 0, 1)));
        Assert.Contains(generations[1].Skip(10), one => one.Parents.Count == 2);
    }

    [Fact]
    public void Only_networks_within_the_budget_are_proposed()
    {
        var costs = Context("search.depth=4", "search.population=16");
        var most = costs.Recipe.Search.PublishedCost("3 0 0 0", costs)!.Value;
        Assert.Equal(
            1e6 * new Glit.Config((8, 8), 4, 12, 3, Glit.Config.Decode([3, 0, 0, 0], [2, 8, 3, 3]), 2).PublishedCost(),
            costs.Recipe.Search.PublishedCost("3 0 0 0 / 2 8 3 3", costs)
        );
        var context = Context("search.depth=4", "search.population=6", $"budget.published=[{(long)most}]");
        Assert.All(Searches.Drive(First(context), _ => 0.5).SelectMany(generation => generation), one =>
            Assert.True(one.Cost.Published <= most)
        );
    }

    [Fact]
    public void A_space_that_is_used_up_ends_the_search()
    {
        // Four distributions of one block in all.
        var generations = Searches.Drive(First(Context("search.depth=1", "search.population=3", "search.generations=9")), _ => 0.5);
        Assert.Equal([3, 1], generations.Select(generation => generation.Count));
    }

    [Theory]
    [InlineData("3 0 1", "must have 2 thirds, not 3")]
    [InlineData("3 4", "thirds must be from 0 to 3, not '4'")]
    [InlineData("3 0 / 1 9", "details must be from 0 to 8, not '9'")]
    [InlineData("3 0 / 1", "must have 2 details, not 1")]
    [InlineData("3 0 / 1 2 / 3", "behind a slash perhaps their details")]
    public void What_is_no_genome_is_named(string genome, string message) =>
        Assert.Contains(
            message,
            Assert.Throws<FormatException>(() => Context().Recipe.Search.Network(genome, Context())).Message,
            StringComparison.Ordinal
        );

    [Fact]
    public void Networks_are_taken_apart_for_latency()
    {
        using var scope = new Scope();
        var context = Context("search.depth=4");
        var two = Context();
        var method = context.Recipe.Search;
        var parts = method.Parts("3 0 1 2 / 2 8 3 7", context)!;
        Assert.Equal(["surroundings", "global", "local", "one_third_global", "two_thirds_global"], parts.Select(part => part.Kind));
        // The candidates of the first level are among those of the second.
        Assert.Equal(method.Parts("3 0 1 2", context)!, method.Parts("3 0 1 2 / 4 3 1 1", context)!);
        foreach (var part in parts.Skip(1))
        foreach (var copies in (int[])[0, 2])
        {
            var probe = (GlitNetworkOptions)method.Probe(part, copies, context);
            Assert.Equal(copies, ((Glit)probe.Create(context.ModelOptions)).Options.Blocks.Count);
            if (copies > 0)
                Assert.Equal(part, two.Recipe.Search.Parts($"{Text(probe.Thirds)} / {Text(probe.Details!)}", two)![1]);
        }

        static string Text(IReadOnlyList<int> numbers) => string.Join(' ', numbers);
    }

    [Fact]
    public void A_search_on_two_levels_finds_a_network()
    {
        using var scope = new Scope();
        var recipe = Searches.Glit(folder);
        var path = folder["search"];
        using (SearchRun.Begin(recipe, path)) { }
        var outcome = Toy.Run(path);
        Assert.True(outcome.Completed);
        using var search = SearchRun.Open(path);
        var first = search.Store.Read(GlitMethod.DistributionStage);
        var second = search.Store.Read(GlitMethod.DetailStage);
        Assert.Equal((8, 8), (first.Count, second.Count));
        var found = first.MaxBy(one => one.Score)!.Genome;
        Assert.All(second, one => Assert.StartsWith($"{found} / ", one.Genome, StringComparison.Ordinal));

        // Whatever was scored before.
        var best = outcome.Ranking[0].Genome;
        Assert.True(Rescoring.Of(search, best).IsEqual);
        Assert.True(Rescoring.Of(search, found, GlitMethod.DistributionStage).IsEqual);
        using (var scorer = search.CandidateStage(GlitMethod.DetailStage).CreateScorer())
        {
            var once = scorer.Score(second[1].Genome, second[1].Seed, default);
            scorer.Score(second[2].Genome, second[2].Seed, default);
            Assert.Equal(once.Value, scorer.Score(second[1].Genome, second[1].Seed, default).Value);
            Assert.Equal(second[1].Score, once.Value);
        }

        var network = (Glit)search.Context.Create(best);
        network.LoadStateDict(recipe.Search.Inherited(best, search.Context)!);
        Assert.Null(recipe.Search.Inherited(best.Replace(found, found == "3 3" ? "0 0" : "3 3", StringComparison.Ordinal), search.Context));
        Assert.NotNull(recipe.Search.Inherited(found, search.Context));
    }

    [Fact]
    public void Statistics_of_a_path_are_those_of_its_images_and_go_again()
    {
        using var scope = new Scope();
        Torch.Seed(1);
        var model = new Glit(new((8, 8), 4, 12, 3, Glit.Config.Distributions(2), 3));
        model.Eval();
        var before = model.StateDict().ToDictionary(entry => entry.Key, entry => entry.Value.Clone());
        Batch[] batches =
        [
            .. Enumerable.Range(0, 3).Select(_ => new Batch([new(Torch.Randn([4, 3, 8, 8]))], new NoTargets(4), [0, 1, 2, 3])),
        ];
        var images = batches[0].Inputs.Clone();
        using (var statistics = new NormStatistics(model))
        {
            statistics.Compute(batches[..1], one => model.Call(one, [0, 0]));
            Assert.False(model.Training);
            // With the statistics of these very images, evaluation is training but for the variance's divisor.
            model.Train();
            using var outside = Torch.NoGrad();
            var trained = model.Call(images, [0, 0]);
            model.Eval();
            Assert.Equal(0, (model.Call(images, [0, 0]) - trained).Abs().Max().ToDouble(), 0.05);
        }
        foreach (var (name, tensor) in model.StateDict())
            Assert.True(before[name].Equal(tensor), name);
        Assert.All(model.NamedModules().Select(entry => entry.Module).OfType<BatchNorm>(), norm => Assert.Equal(0.1, norm.Momentum));
    }
}
