using Tessera.Data;
using Tessera.Models;
using Tessera.Search;
using Tessera.Search.Methods;
using Tessera.Search.Running;
using Tessera.Testing;
using Tessera.Tests.Search.Toys;
using Tessera.Training;
using Tessera.Training.Recipes;

namespace Tessera.Tests.Search.Methods;

public sealed class VitasMethodTests : IDisposable
{
    private readonly TempFolder folder = new();

    public void Dispose() => folder.Dispose();

    private SearchContext Context(params string[] settings) => new(Searches.Vitas(folder, settings), folder.Path, null);

    private static CandidateStage Stage(SearchContext context) => context.Recipe.Search.Stages(context).OfType<CandidateStage>().Single();

    // Right at every number of the genome that a network within the budget may have: depends on all genes.
    private static double Likeness(string genome) =>
        genome.Split(' ').Zip("1 1 0 1 0 0 1 0 1 1 0 1 1".Split(' ')).Average(pair => pair.First == pair.Second ? 1.0 : 0);

    [Fact]
    public void Evolution_finds_the_best_network_of_a_known_function()
    {
        var generations = Searches.Drive(Stage(Context("search.population=20", "search.generations=20")), genome => Likeness(genome));
        Assert.Equal(20, generations.Count);
        var all = generations.SelectMany(generation => generation).ToArray();
        Assert.Equal(all.Length, all.Select(one => one.Genome).Distinct().Count());
        Assert.All(generations.Skip(1), generation => Assert.All(generation, one => Assert.InRange(one.Parents.Count, 1, 2)));
        Assert.Equal(1, all.Max(one => one.Score));
        Assert.True(generations[^1].Average(one => one.Score) > generations[0].Average(one => one.Score) + 0.2);
    }

    [Fact]
    public void Proposals_depend_on_the_seed_and_what_was_before_alone()
    {
        string[] settings = ["search.population=5", "search.generations=4"];
        Assert.Equal(Genomes(settings), Genomes(settings));
        Assert.NotEqual(Genomes(settings), Genomes([.. settings, "seed=4"]));

        IEnumerable<string> Genomes(string[] given) =>
            Searches
                .Drive(Stage(Context(given)), genome => Likeness(genome))
                .SelectMany(generation => generation)
                .Select(one => one.Genome);
    }

    [Fact]
    public void A_failed_network_has_no_children()
    {
        var generations = Searches.Drive(Stage(Context("search.generations=4")), genome => genome[0] == '0' ? null : Likeness(genome));
        Assert.Contains(generations[0], one => one.Score is null);
        Assert.All(generations.Skip(1).SelectMany(generation => generation), one =>
            Assert.All(one.Parents, parent => Assert.Equal('1', parent[0]))
        );
    }

    [Fact]
    public void Networks_outside_of_the_budget_are_scored_without_being_run()
    {
        var context = Context("budget.published=[20000, 40000]", "search.population=12", "search.generations=6");
        var generations = Searches.Drive(Stage(context), genome => Likeness(genome));
        Assert.All(generations[0], one => Assert.InRange(one.Cost.Published!.Value, 20_000, 40_000));
        var outside = generations.SelectMany(generation => generation).Where(one => !one.Evaluated).ToArray();
        Assert.NotEmpty(outside);
        Assert.All(outside, one =>
        {
            var cost = one.Cost.Published!.Value;
            Assert.True(cost is < 20_000 or > 40_000);
            Assert.Equal((5 - (cost - 40_000) / 40_000) / 100, one.Score!.Value, 1e-12);
        });
        Assert.All(generations.SelectMany(generation => generation).Where(one => one.Evaluated), one =>
            Assert.InRange(one.Cost.Published!.Value, 20_000, 40_000)
        );
    }

    [Fact]
    public void Budgets_in_other_units_bind_too()
    {
        var context = Context("budget.parameters=[4000]", "search.generations=1");
        Assert.All(Searches.Drive(Stage(context), Score)[0], one => Assert.InRange(one.Cost.Parameters!.Value, 1, 4000));
        Assert.Contains(
            "different ones are within the budget",
            Assert
                .Throws<RunException>(() => Searches.Drive(Stage(Context("budget.published=[10]", "search.identity=0.5")), Score))
                .Message,
            StringComparison.Ordinal
        );

        static double? Score(string genome) => Likeness(genome);
    }

    [Fact]
    public void The_probability_of_no_block_meets_the_budget_for_networks_that_are_drawn()
    {
        var context = Context("budget.published=[18000, 21000]");
        var method = (VitasMethod)context.Recipe.Search;
        var identity = method.IdentityFor(context);
        var random = new SeededRandom(1);
        var mean = Enumerable
            .Range(0, 4000)
            .Average(_ => method.PublishedCost(method.Space.Draw(random, identity).ToString(), context)!.Value);
        Assert.InRange(mean, 17_500, 21_500);
        Assert.Equal(0.25, ((VitasMethod)Context("search.identity=0.25").Recipe.Search).IdentityFor(context));
        Assert.Contains(
            "budget.published: no probability",
            Assert.Throws<RunException>(() => method.IdentityFor(Context("budget.published=[1, 2]"))).Message,
            StringComparison.Ordinal
        );
    }

    [Fact]
    public void A_cost_may_be_lessened_beside_the_score()
    {
        var context = Context("search.lessen=published", "search.population=16", "search.generations=10");
        var all = Searches.Drive(Stage(context), genome => Likeness(genome)).SelectMany(generation => generation).ToArray();
        var alone = Searches
            .Drive(Stage(Context("search.population=16", "search.generations=10")), genome => Likeness(genome))
            .SelectMany(generation => generation)
            .ToArray();
        Assert.True(all[^16..].Average(one => one.Cost.Published) < alone[^16..].Average(one => one.Cost.Published));
        Assert.True(all.Max(one => one.Score) >= 0.8);
    }

    [Fact]
    public void Positions_without_a_block_come_last_where_they_are_shifted()
    {
        var context = Context("search.identity_shift=true", "search.generations=4");
        var space = ((VitasMethod)context.Recipe.Search).Space;
        Assert.All(Searches.Drive(Stage(context), genome => Likeness(genome)).SelectMany(generation => generation), one =>
        {
            var positions = space.Decode(one.Genome).Positions;
            Assert.Equal(positions.OrderBy(choice => choice == space.Identity), positions);
        });
    }

    [Fact]
    public void Networks_with_the_same_block_everywhere_stay_so()
    {
        var context = Context("search.space.optional_blocks=false", "search.space.equal_blocks=true", "search.generations=3");
        var generations = Searches.Drive(Stage(context), genome => Likeness(genome));
        Assert.All(generations.SelectMany(generation => generation), one =>
            Assert.Single(((Vitas)context.Create(one.Genome)).Options.Blocks.Distinct())
        );
    }

    [Theory]
    [InlineData("bilateral")]
    [InlineData("ordinal")]
    [InlineData("cyclic")]
    public void A_search_trains_scores_and_finds_a_network(string sharing)
    {
        using var scope = new Scope();
        var recipe = Searches.Vitas(folder, $"search.sharing={sharing}", "budget.published=[15000, 60000]");
        var path = folder["search"];
        using (SearchRun.Begin(recipe, path)) { }
        var outcome = Toy.Run(path);
        Assert.True(outcome.Completed);
        using var search = SearchRun.Open(path);
        var all = search.Store.Read(VitasMethod.EvolutionStage);
        Assert.Equal(18, all.Count);
        var best = outcome.Ranking[0].Genome;
        Assert.True(Rescoring.Of(search, best).IsEqual);
        Assert.True(Rescoring.Of(search, outcome.Ranking[^1].Genome).IsEqual);

        // The network with the inherited weights answers as the super-transformer does.
        var supernet = (VitasSupernet)search.Context.Trained(VitasMethod.SupernetStage).Model;
        var network = search.Context.Create(best);
        network.LoadStateDict(recipe.Search.Inherited(best, search.Context)!);
        network.Eval();
        using var outside = Torch.NoGrad();
        var images = network.ExampleInput(3);
        var expected = supernet.Call(images, supernet.Options.Space.Decode(best), supernet.Options.Sides[0]);
        Assert.Equal(0, (network.Call(images) - expected).Abs().Max().ToDouble(), 1e-4);
    }

    [Fact]
    public void The_supernet_learns_as_the_method_says()
    {
        var context = Context("search.first_patch_only=true", "search.widths_in_order=true", "search.smoothing=0.2");
        var recipe = context.Recipe.Search.Stages(context).OfType<TrainingStage>().Single().Recipe();
        Assert.Equal(("minitrain", "minival"), (recipe.Data.Split, recipe.Evaluation.Split));
        var supernet = Assert.IsType<VitasSupernetOptions>(recipe.Model.Architecture);
        Assert.True(supernet is { FirstPatchOnly: true, WidthsInOrder: true, LastPositionOnly: false });
        Assert.Null(context.Recipe.Search.Inherited("whatever", context));
        Assert.Contains(
            "supernet.objective must be left out",
            Assert.Throws<RecipeException>(() => Searches.Vitas(folder, "search.supernet.objective=supervised")).Message,
            StringComparison.Ordinal
        );
    }

    [Fact]
    public void Networks_are_taken_apart_for_latency()
    {
        using var scope = new Scope();
        var context = Context();
        var method = context.Recipe.Search;
        var parts = method.Parts("0 1 2 0 0 0 1 1 0 1 1 0 1", context)!;
        Assert.Equal(["surroundings", "block", "block"], parts.Select(part => part.Kind));
        foreach (var part in parts)
        foreach (var copies in (int[])[0, 2])
        {
            var probe = (Vitas)method.Probe(part, copies, context).Create(context.ModelOptions);
            Assert.Equal(part.Surrounds ? 0 : copies, probe.Options.Blocks.Count(block => block is not null));
            Assert.Equal(part.Sizes["dim"], probe.Options.Dim);
            Assert.Equal(2, probe.Options.Patch);
        }
    }

    [Fact]
    public void The_recipes_of_the_project_can_be_read_and_fit_together()
    {
        var files = Directory
            .GetFiles(Path.Combine(Repository.Root, "recipes", "search"), "*.yaml")
            .Where(file =>
                Path.GetFileName(file).StartsWith("vitas", StringComparison.Ordinal)
                || Path.GetFileName(file).StartsWith("glit", StringComparison.Ordinal)
            )
            .ToArray();
        Assert.Equal(5, files.Length);
        foreach (var file in files)
        {
            var recipe = SearchRecipe.Load(file);
            Assert.Equal(recipe.ToYaml(), RecipeBinder.Bind<SearchRecipe>(RecipeReader.Read(recipe.ToYaml(), file)).ToYaml());
            Assert.True(recipe.Search is VitasMethod or GlitMethod);
            if (recipe is { Search: VitasMethod vitas, Limits.Published: { } limits })
            {
                var side = recipe.ImageSize?[0] ?? 32;
                Assert.InRange(vitas.Space.IdentityFor(limits[0], limits[1], (side, side), side == 32 ? 10 : 1000), 0.01, 0.99);
            }
        }
    }
}
