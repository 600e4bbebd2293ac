using Tessera.Models;
using Tessera.Search;
using Tessera.Search.Methods;
using Tessera.Search.Running;
using Tessera.Testing;
using Tessera.Training;
using Tessera.Training.Bundles;
using Tessera.Training.Experiments;
using Tessera.Training.Objectives.Search;
using Tessera.Training.Optimization;
using Tessera.Training.Recipes;
using Tessera.Training.Runs;

namespace Tessera.Tests.Search;

/// <summary>BATS as a method of searching: its stage, its result, and the training of the found network.</summary>
[Collection("engine")]
public sealed class BatsMethodTests
{
    private static string Yaml(string data, string more = "") =>
        $$"""
            search:
              name: bats
              width: 4
              layers: 3
              groups: 2
              shuffle_groups: 2
              temperature: 0.5
              supernet:
                optimizer: { name: sgd, lr: 0.025, weight_decay: 3e-4 }
                schedule: { name: cosine, epochs: 1, min_lr: 0.001 }
                batch: 8
                train: { threads: 1 }
              found: { width: 4, layers: 3, auxiliary: false }
              {{more}}
            data: { name: fashion_mnist, root: {{data}}, batch: 8, minival: 0.25 }
            retrain:
              optimizer: { name: adam, lr: 1e-3, weight_decay: 1e-5 }
              schedule: { name: cosine, epochs: 1 }
              train: { threads: 1, seed: 4 }
            """;

    private static SearchContext Context(TempFolder folder, string more = "", params string[] settings)
    {
        var (data, file) = (Path.Combine(folder.Path, "data"), Path.Combine(folder.Path, "search.yaml"));
        if (!Directory.Exists(data))
            SmallMnist.Write(data, 40, 10);
        File.WriteAllText(file, Yaml(data, more));
        return new(SearchRecipe.Load(file, settings), folder.Path, store: null);
    }

    [Fact]
    public void A_search_trains_a_supernet_and_the_network_of_its_cells_in_two_stages()
    {
        using var folder = new TempFolder();
        using var scope = new Scope();
        var context = Context(folder);
        var method = context.Recipe.Search;
        var stage = Assert.IsType<TrainingStage>(Assert.Single(method.Stages(context)));
        Assert.Null(method.RankedStage);
        using var search = SearchRun.Begin(context.Recipe, Path.Combine(folder.Path, "run"));
        var outcome = search.Run();
        Assert.True(outcome.Completed);
        context = search.Context;
        var supernet = RunLog.Read(new RunFolder(context.FolderOf(stage.Name)).LogPath);
        Assert.Contains(supernet, line => line["architecture_entropy_normal"] is not null && line["weights_loss"] is not null);
        var winner = Assert.Single(method.Winners(context));
        var net = (BatsSupernet)context.Trained(stage.Name).Model;
        Assert.Equal(BatsText.Write(net.Derived()), winner);
        Assert.Equal(0.5, net.Options.Temperature);

        var retraining = method.Retraining(winner, context, seed: 9);
        Assert.Equal(["activations", "binary"], retraining.Select(one => one.Name));
        var (first, second) = (retraining[0].Recipe, retraining[1].Recipe);
        Assert.Equal((BatsBits.Activations, BatsBits.Binary), (Bits(first), Bits(second)));
        Assert.Equal((1e-5, 0.0), (first.Optimizer.WeightDecay, second.Optimizer.WeightDecay));
        Assert.Equal((9UL, 9UL), (first.Train.Seed, second.Train.Seed));
        Assert.Null(first.Model.Weights);
        Assert.Equal("stage:activations", second.Model.Weights!.File);

        Assert.Equal(winner, Assert.Single(outcome.Ranking).Genome);
        Assert.Equal(["activations", "binary"], outcome.Retrained.Select(run => run.Name));
        Assert.All(outcome.Retrained, run => Assert.InRange(run.Score!.Value, 0, 1));
        var (real, binary) = (outcome.Retrained[0].Folder, outcome.Retrained[1].Folder);
        Assert.IsType<Bats>(ModelBundle.Load(binary).Model);
        // The second stage began with the weights of the first.
        var loaded = Assert.Single(RunLog.Read(new RunFolder(binary).LogPath), line => (string?)line["kind"] == "weights");
        Assert.StartsWith(real, (string)loaded["path"]!, StringComparison.Ordinal);
        Assert.Contains(loaded["notes"]!.AsArray(), note =>
            ((string)note!).EndsWith("convolutions with one bit, which begin with the mean size of their weights", StringComparison.Ordinal)
        );
        using var again = Experiment.Begin(
            second with
            {
                Model = second.Model with { Weights = real },
            },
            Path.Combine(folder.Path, "again")
        );
        Assert.Equal(40, again.TrainData.Count);
        var (before, now) = (ModelBundle.Load(real).Model.StateDict(), again.Model.StateDict());
        foreach (var (name, tensor) in before)
            Assert.True(tensor.ToBytes().AsSpan().SequenceEqual(now[name].ToBytes()), name);
        var scales = now.Keys.Except(before.Keys).ToArray();
        Assert.NotEmpty(scales);
        Assert.All(scales, name => Assert.True(name.EndsWith(".alpha", StringComparison.Ordinal) && now[name].Max().ToDouble() < 1, name));

        static BatsBits Bits(Recipe recipe) => Assert.IsType<BatsNetworkOptions>(recipe.Model.Architecture).Bits;
    }

    [Fact]
    public void Tables_learn_as_published_unless_a_phase_says_otherwise()
    {
        using var folder = new TempFolder();
        var context = Context(folder, "", "image_size=[16]", "search.strategy=binary");
        var recipe = ((TrainingStage)context.Recipe.Search.Stages(context)[0]).Recipe();
        var phase = Assert.Single(recipe.Phases);
        Assert.Equal(("architecture", true), (phase.Name, phase.ConstantLearningRate));
        Assert.Equal(new AdamOptions(3e-4, 1e-3, 0.5, 0.999), phase.Optimizer);
        Assert.Equal(("minitrain", "minival"), (recipe.Data.Split, recipe.Evaluation.Split));
        Assert.Equal(new BatsSearchOptions(), recipe.Objective);
        Assert.Equal([16], recipe.Model.ImageSize);
        Assert.Equal(new BatsSupernetOptions(4, 3, 2, 2, BatsBits.Binary, 0.5), recipe.Model.Architecture);

        context = Context(
            folder,
            "",
            "search.supernet.phases=[ { name: architecture, optimizer: { name: adam, lr: 0.1 } } ]",
            "search.supernet.objective={ name: bats_search, division: 3 }"
        );
        recipe = ((TrainingStage)context.Recipe.Search.Stages(context)[0]).Recipe();
        Assert.Equal(0.1, Assert.Single(recipe.Phases).Optimizer!.LearningRate);
        Assert.Equal(new BatsSearchOptions(3), recipe.Objective);
    }

    [Fact]
    public void A_network_can_be_trained_with_one_bit_from_the_beginning()
    {
        using var folder = new TempFolder();
        var context = Context(folder, "training: scratch");
        var genome = context.Recipe.Search.Draw(new Random(1), context);
        var (name, recipe) = Assert.Single(context.Recipe.Search.Retraining(genome, context, 2));
        Assert.Equal("binary", name);
        Assert.Null(recipe.Model.Weights);
        Assert.Equal((BatsBits.Binary, 1e-5), (((BatsNetworkOptions)recipe.Model.Architecture!).Bits, recipe.Optimizer.WeightDecay));
    }

    [Fact]
    public void Drawn_networks_are_of_the_space_and_known_by_their_genome()
    {
        using var folder = new TempFolder();
        using var scope = new Scope();
        var context = Context(folder);
        var method = context.Recipe.Search;
        var random = new Random(3);
        var drawn = Enumerable.Range(0, 50).Select(_ => method.Draw(random, context)).ToArray();
        Assert.Equal(50, drawn.Distinct().Count());
        Assert.Equal(drawn[0], method.Draw(new Random(3), context));
        foreach (var genome in drawn)
        {
            var cells = BatsText.ReadGenotype(genome);
            foreach (var cell in (IReadOnlyList<BatsChoice>[])[cells.Normal, cells.Reduce])
            {
                Assert.Equal(8, cell.Count);
                Assert.DoesNotContain(cell, choice => choice.Operation == "none");
                Assert.All(cell.Chunk(2), pair => Assert.NotEqual(pair[0].Input, pair[1].Input));
            }
        }
        var options = Assert.IsType<BatsNetworkOptions>(method.Network(drawn[0], context));
        Assert.Equal(drawn[0], $"{options.Normal} | {options.Reduce}");
        // Stem and classifier are real; everything else has one bit.
        var cost = context.CostOf(drawn[0]);
        Assert.Equal(9 * 12 * 28 * 28 + 64 * 10, cost.Macs - cost.Published);
        Assert.Throws<FormatException>(() => method.Network("none:0 none:1", context));
    }

    [Fact]
    public void What_does_not_fit_is_refused()
    {
        using var folder = new TempFolder();
        var budget = Context(folder, "", "budget={ macs: 1e6 }");
        Assert.StartsWith(
            "budget must be left out",
            Assert.Throws<RunException>(() => budget.Recipe.Search.Stages(budget)).Message,
            StringComparison.Ordinal
        );
        Assert.Contains(
            "binary needs training: staged",
            Assert
                .Throws<RecipeException>(() =>
                    Context(
                        folder,
                        "",
                        "search.training=scratch",
                        "search.binary={ optimizer: adam, schedule: { name: cosine, epochs: 1 } }"
                    )
                )
                .Message,
            StringComparison.Ordinal
        );
        Assert.Contains(
            "supernet.objective must be bats_search, not supervised",
            Assert.Throws<RecipeException>(() => Context(folder, "", "search.supernet.objective=supervised")).Message,
            StringComparison.Ordinal
        );
    }

    [Fact]
    public void The_recipes_of_the_project_can_be_read_and_fit_together()
    {
        var files = Directory.GetFiles(Path.Combine(Repository.Root, "recipes", "search"), "bats*.yaml");
        Assert.Equal(2, files.Length);
        foreach (var file in files)
        {
            using var scope = new Scope();
            using var skip = Nn.Init.Skip();
            var recipe = SearchRecipe.Load(file);
            Assert.Equal(recipe.ToYaml(), RecipeBinder.Bind<SearchRecipe>(RecipeReader.Read(recipe.ToYaml(), file)).ToYaml());
            var context = new SearchContext(recipe, "search", store: null);
            var supernet = ((TrainingStage)Assert.Single(recipe.Search.Stages(context))).Recipe();
            Assert.Equal(["architecture", "weights"], supernet.Phases.Select(phase => phase.Name));
            Assert.IsType<BatsSupernet>(supernet.Model.Architecture!.Create(new()));
            var genome = recipe.Search.Draw(new Random(1), context);
            foreach (var (_, retrained) in recipe.Search.Retraining(genome, context, 1))
                Assert.IsType<Bats>(retrained.Model.Architecture!.Create(new()));
        }
    }
}
