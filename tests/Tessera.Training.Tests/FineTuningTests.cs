using Tessera.Models;
using Tessera.Testing;

namespace Tessera.Training.Tests;

/// <summary>Weights that a training begins with: of a run or a file, with another classifier, at another image size.</summary>
[Collection("engine")]
public sealed class FineTuningTests
{
    private const string Name = "vit_2_4_32";

    private static ImageFacts Facts(int classes, int side, string prefix = "class") =>
        new([.. Enumerable.Range(0, classes).Select(i => $"{prefix} {i}")], 3, side, side, [0.5f], [0.25f]);

    // A run of one checkpoint, without having trained.
    private static string Run(string folder, ImageFacts facts, bool ema = false)
    {
        using var scope = new Scope();
        var run = new RunFolder(folder);
        var recipe = Recipe.Parse(
            $"model: {{ name: {Name} }}\ndata: {{ name: cifar10 }}\noptimizer: sgd\nschedule: {{ name: constant, epochs: 1 }}\n"
                + "objective: supervised\naugment: []",
            "r.yaml"
        );
        RunFolder.Write(run.RecipePath, recipe.ToYaml());
        Torch.Seed(1);
        var model = Registry.Create(Name, recipe.Model.Options(facts.ModelDefaults));
        var files = new OrderedDictionary<string, IReadOnlyDictionary<string, Tensor>> { ["model"] = model.StateDict() };
        if (ema)
            files["ema"] = model.StateDict().ToDictionary(e => e.Key, e => e.Value + 1);
        run.Checkpoints.Save(new(3, 3, false, 0, 0, StepMetrics.Empty, null), files);
        var content = new BundleContent(
            new(Name, recipe.Model.Options(facts.ModelDefaults)),
            new ClassificationTask(),
            facts,
            recipe.EvaluationTransforms,
            recipe.Train.Precision
        );
        new BundleFolder(run.BundlePath).Write(content, run.Checkpoints);
        return folder;
    }

    private static Model Begin(string weights, ImageFacts facts, ModelRecipe? recipe = null)
    {
        Torch.Seed(2);
        return new InitialWeights((recipe ?? new(Name)) with { Weights = weights }, new ClassificationTask(), facts).Create();
    }

    private static float[] Values(Module model, string name) => model.StateDict()[name].ToArray<float>();

    private const string Block = "classifier.blocks.0.linear1.weight",
        Positions = "classifier.positional_emb",
        Head = "classifier.fc.weight";

    [Fact]
    public void A_run_gives_its_weights_and_keeps_the_classifier_of_the_same_classes()
    {
        using var scope = new Scope();
        using var folder = new TempFolder();
        var run = Run(folder.Path, Facts(4, 32));
        Torch.Seed(1);
        var source = Registry.Create(Name, new() { Classes = 4, ImageSize = (32, 32) });
        var model = Begin(run, Facts(4, 32));
        foreach (var name in source.StateDict().Keys)
            Assert.Equal(Values(source, name), Values(model, name));
    }

    [Theory]
    [InlineData(4, "other", null, true)]
    [InlineData(5, "class", null, true)]
    [InlineData(4, "class", true, true)]
    [InlineData(4, "other", false, false)]
    public void The_classifier_is_fresh_where_classes_are_others_or_the_recipe_says_so(
        int classes,
        string prefix,
        bool? fresh,
        bool expected
    )
    {
        using var scope = new Scope();
        using var folder = new TempFolder();
        var run = Run(folder.Path, Facts(4, 32));
        var model = Begin(run, Facts(classes, 32, prefix), new(Name, NewHead: fresh));
        Assert.Equal(classes, model.Classes);
        var before = TensorFile.Load(new RunFolder(run).Checkpoints.Newest()!.FileOf("model"));
        Assert.Equal(before[Block].ToArray<float>(), Values(model, Block));
        Assert.Equal(expected, !before[Head].ToArray<float>().SequenceEqual(Values(model, Head)));
    }

    [Fact]
    public void Another_image_size_resamples_the_position_table_as_the_model_does()
    {
        using var scope = new Scope();
        using var folder = new TempFolder();
        var run = Run(folder.Path, Facts(4, 32));
        var source = Begin(run, Facts(4, 32));
        source.Resize(48, 48);
        foreach (var weights in (string[])[run, new RunFolder(run).Checkpoints.Newest()!.FileOf("model")])
        {
            var model = Begin(weights, Facts(7, 48));
            Assert.Equal(((48, 48), 7), (model.ImageSize, model.Classes));
            Assert.Equal(Values(source, Positions), Values(model, Positions));
            Assert.Equal(Values(source, Block), Values(model, Block));
            model.Eval();
            Assert.Equal(new Shape(1, 7), model.Call(Torch.Zeros([1, 3, 48, 48])).Shape);
        }
    }

    [Fact]
    public void Weights_whose_size_only_the_model_knows_are_loaded_at_their_own_and_resized()
    {
        using var scope = new Scope();
        using var folder = new TempFolder();
        using var skipped = Nn.Init.Skip();
        var file = Path.Combine(folder.Path, "vip.safetensors");
        var source = Registry.Create("vip_s14", new() { Classes = 4 });
        TensorFile.Save(file, source.StateDict());
        var model = Begin(file, Facts(4, 112), new("vip_s14"));
        Assert.Equal((112, 112), model.ImageSize);
        source.Resize(112, 112);
        foreach (var (name, tensor) in source.StateDict().Where(e => e.Key.Contains("mlp_h", StringComparison.Ordinal)))
            Assert.Equal(tensor.ToArray<float>(), Values(model, name));
        foreach (var tensor in source.StateDict().Values.Concat(model.StateDict().Values))
            tensor.Dispose();
    }

    [Fact]
    public void The_moving_average_of_a_run_can_be_taken()
    {
        using var scope = new Scope();
        using var folder = new TempFolder();
        var run = Run(folder.Path, Facts(4, 32), ema: true);
        var (plain, averaged) = (Begin(run, Facts(4, 32)), Begin(run, Facts(4, 32), new(Name, WeightsEma: true)));
        Assert.Equal(Values(plain, Block).Select(v => v + 1), Values(averaged, Block));
    }

    [Fact]
    public void What_cannot_be_begun_with_is_named()
    {
        using var scope = new Scope();
        using var folder = new TempFolder();
        Assert.Contains(
            "there is neither a run",
            Assert.Throws<RunException>(() => Begin(folder.Path, Facts(4, 32))).Message,
            StringComparison.Ordinal
        );
        var run = Run(Path.Combine(folder.Path, "run"), Facts(4, 32));
        Assert.Contains(
            "no moving average",
            Assert.Throws<RunException>(() => Begin(run, Facts(4, 32), new(Name, WeightsEma: true))).Message,
            StringComparison.Ordinal
        );
        var file = new RunFolder(run).Checkpoints.Newest()!.FileOf("model");
        Assert.Contains(
            "needs a run folder in model.weights",
            Assert.Throws<RunException>(() => Begin(file, Facts(4, 32), new(Name, WeightsEma: true))).Message,
            StringComparison.Ordinal
        );
        Assert.Throws<StateDictException>(() => Begin(run, Facts(4, 32), new("vit_4_4_32")));
    }
}
