using Tessera.Models;
using Tessera.Testing;
using Tessera.Training.Optimization;

namespace Tessera.Training.Tests;

/// <summary>Recipes that are made in C#.</summary>
[Collection("engine")]
public sealed class TrainingByCodeTests : IDisposable
{
    private readonly TempFolder folder = new();

    public TrainingByCodeTests() => SmallMnist.Write(Data);

    public void Dispose() => folder.Dispose();

    private string Data => folder["data"];

    private string Picture(string name, int seed)
    {
        var pixels = new byte[3 * 40 * 50];
        new Random(seed).NextBytes(pixels);
        return folder.Write(name, Pnm.Pixels(50, 40, pixels));
    }

    private Recipe InCode =>
        new()
        {
            Model = new("cct_2_3x2_32"),
            Data = new("fashion_mnist") { Root = Data, Batch = 16 },
            Augment = [new RandomHorizontalFlip(), new RandomShift(2)],
            Objective = new SupervisedOptions(Smoothing: 0.1),
            Optimizer = new AdamWOptions(LearningRate: 1e-3),
            Schedule = new CosineOptions(Epochs: 2, Warmup: 0.5),
            Train = new(Threads: 1, Ema: 0.9, LogEvery: 2),
        };

    [Fact]
    public void A_recipe_in_code_is_the_one_in_YAML()
    {
        var written = Recipe.Parse(SmallMnist.Recipe(Data), "r.yaml");
        Assert.Equal(written.ToYaml(absolutePaths: true), InCode.ToYaml(absolutePaths: true));
        Assert.Equal(written.ToYaml(), InCode.Validated().ToYaml());
    }

    [Fact]
    public void A_run_by_code_is_bit_for_bit_the_one_by_file_and_goes_on_like_it()
    {
        var file = folder.Write("r.yaml", SmallMnist.Recipe(Data));
        using (var byFile = Experiment.Begin(file, [], folder["by_file"]))
            byFile.Train();
        using var stop = new CancellationTokenSource();
        using (var byCode = Experiment.Begin(InCode, folder["by_code"], Stop))
            Assert.False(byCode.Train(stop.Token).Completed);
        using (var again = Experiment.Resume(folder["by_code"]))
            Assert.True(again.Train().Completed);
        using var scope = new Scope();
        var (expected, found) = (ModelBundle.Load(folder["by_file"]), ModelBundle.Load(folder["by_code"]));
        Assert.All(expected.Model.StateDict(), entry => Assert.Equal(entry.Value.ToBytes(), found.Model.StateDict()[entry.Key].ToBytes()));
        Assert.Equal(
            BundleMeasurement.OfRun(folder["by_file"], expected, new()).Run().Scalars,
            BundleMeasurement.OfRun(folder["by_code"], found, new()).Run().Scalars
        );
        Assert.Contains(
            $"tessera train {new RunFolder(folder["by_code"]).RecipePath}",
            File.ReadAllText(new RunFolder(folder["by_code"]).ReportPath),
            StringComparison.Ordinal
        );

        void Stop(TrainingEvent happened)
        {
            if (happened is StepDone { Step: 3 })
                stop.Cancel();
        }
    }

    [Fact]
    public void Values_that_no_file_could_hold_are_refused_with_their_field()
    {
        void Refused(Recipe recipe, string message)
        {
            Assert.Equal(message, Assert.Throws<RecipeException>(() => Experiment.Begin(recipe, folder["run"])).Message);
            Assert.False(Directory.Exists(folder["run"]));
        }
        Refused(InCode with { Data = InCode.Data with { Batch = 0 } }, "recipe: data.batch: must be 1 to 1048576, not 0");
        Refused(InCode with { Optimizer = new AdamWOptions(LearningRate: -1) }, "recipe: optimizer.lr: must be 0 to 1000, not -1");
        Refused(
            InCode with
            {
                Train = InCode.Train with { ClipGrad = 1, ClipGradAdaptive = 1 },
            },
            "recipe: train: only one of clip_grad and clip_grad_adaptive can be given"
        );
        Refused(
            InCode with
            {
                Augment = [new LabelSmoothing()],
            },
            "recipe: objective.smoothing: must be 0 where label_smoothing in augment smooths the targets"
        );
    }

    [Fact]
    public void Fields_of_several_forms_are_made_in_code_as_well()
    {
        static void Same(RecipeNode inCode, string written)
        {
            var yaml = SmallMnist.Recipe("data").Replace("smoothing: 0.1", $"class_weights: {written}", StringComparison.Ordinal);
            var recipe = Recipe.Parse(yaml, "r.yaml");
            Assert.Equal(recipe.ToYaml(), (recipe with { Objective = new SupervisedOptions(ClassWeights: inCode) }).Validated().ToYaml());
        }
        Same(RecipeNode.Of("balanced"), "balanced");
        Same(RecipeNode.Of(1, 2.5), "[1, 2.5]");
        Same(RecipeNode.Of(new Dictionary<string, double> { ["Bag"] = 3 }), "{ Bag: 3 }");
    }

    [Fact]
    public void A_run_that_is_stopped_before_it_begins_leaves_nothing()
    {
        using var stop = new CancellationTokenSource();
        stop.Cancel();
        Assert.ThrowsAny<OperationCanceledException>(() => Experiment.Begin(InCode, folder["run"], stop: stop.Token));
        Assert.False(new RunFolder(folder["run"]).Exists);
        using var experiment = Experiment.Begin(InCode, folder["run"]);
        Assert.False(experiment.Train(stop.Token).Completed);
    }

    [Fact]
    public void Measuring_explaining_and_averaging_end_when_they_are_asked_to()
    {
        using var scope = new Scope();
        using var stop = new CancellationTokenSource();
        var model = Registry.Create("vit_2_4_32", new() { Classes = 3 });
        var bundle = ModelBundle.FromModel(model, "vit_2_4_32", ["cat", "dog", "hen"], Preprocessing.Cifar10);
        var mean = new WeightAverage();
        mean.Add("first", model.StateDict);
        stop.Cancel();
        Assert.ThrowsAny<OperationCanceledException>(() => mean.Add("second", model.StateDict, stop.Token));
        Assert.Equal(["first"], mean.Sources);
        Assert.All(mean.Mean(), entry => Assert.Equal(model.StateDict()[entry.Key].ToBytes(), entry.Value.ToBytes()));
        Assert.ThrowsAny<OperationCanceledException>(() => bundle.Explain(bundle.Read([Picture("a.ppm", 1)]).Single(), stop: stop.Token));
        var images = new MemoryImages("made up", "test", ["cat", "dog", "hen"], [0, 1, 2], new byte[3 * 3 * 32 * 32], 3, 32, 32);
        Assert.ThrowsAny<OperationCanceledException>(() =>
            new BundleMeasurement(bundle, images, 2, UnreadableLimit.Default).Run(stop: stop.Token)
        );
    }

    [Fact]
    public void A_loop_of_ones_own_gives_the_learning_rate_once()
    {
        using var scope = new Scope();
        var model = new TinyModel();
        var method = new Supervised(model);
        var phases = PhaseSetup.Of(method, new AdamWOptions(LearningRate: 0.02), new(ClipGrad: 3));
        Assert.Equal((0.02, 3), (phases[0].TopLearningRate, phases[0].ClipGrad));
        var rates = new List<double>();
        using var trainer = new Trainer(
            new()
            {
                Objective = method,
                Phases = phases,
                Schedule = new ConstantOptions(Epochs: 1),
                Data = Tiny.Source(),
            },
            report: happened => rates.AddRange(happened is StepDone done ? [done.LearningRate] : [])
        );
        trainer.Train();
        Assert.Equal(Enumerable.Repeat(0.02, Tiny.Batches), rates);
        // Whoever makes the optimiser gives the rate there.
        var own = new Optim.Sgd(Optim.ParameterGroup.All(model, 0), 0.3);
        var setup = new PhaseSetup(method.Phases[0], own);
        own.LearningRate = 0.1;
        Assert.Equal(0.3, setup.TopLearningRate);
    }

    [Fact]
    public void A_model_of_ones_own_loop_is_saved_and_used_like_any_other()
    {
        using var scope = new Scope();
        Torch.Seed(3);
        var model = Registry.Create("vit_2_4_32", new() { Classes = 3 });
        var bundle = ModelBundle.FromModel(model, "vit_2_4_32", ["cat", "dog", "hen"], Preprocessing.Cifar10);
        bundle.Save(folder["mine"]);
        var picture = Picture("a.ppm", 1);
        var again = ModelBundle.Load(folder["mine"]);
        Assert.Equal(bundle.Predict(picture).Classes, again.Predict(picture).Classes);
        Assert.Equal(["cat", "dog", "hen"], again.Classes);
        using var image = Image.Open(picture);
        Assert.Equal(again.Predict(picture).Classes, again.Predict(image).Classes);
        Assert.Equal(
            model.Call(image.ToTensor(Preprocessing.Cifar10, 32)).Softmax(1).ToArray<float>().Max(),
            again.Predict(image, most: 1).Classes[0].Probability,
            1e-6
        );
        Assert.Equal(
            $"{folder["mine"]} is there already and not empty: choose another folder for the bundle, or delete it first",
            Assert.Throws<RunException>(() => bundle.Save(folder["mine"])).Message
        );
        Assert.Equal(["bundle.json", "model.safetensors"], Directory.GetFiles(folder["mine"]).Select(Path.GetFileName).Order());
        Assert.Single(Directory.GetDirectories(folder.Path, "mine*"));
    }

    [Fact]
    public void A_model_that_the_registry_would_not_build_again_is_refused()
    {
        using var scope = new Scope();
        var model = Registry.Create("vit_2_4_32", new() { Classes = 3 });
        Assert.Equal(
            "vit_2_4_32 has 3 classes, and there are 1 names (Parameter 'classes')",
            Assert.Throws<ArgumentException>(() => ModelBundle.FromModel(model, "vit_2_4_32", ["cat"])).Message
        );
        Assert.Throws<StateDictException>(() => ModelBundle.FromModel(model, "cct_2_3x2_32", ["a", "b", "c"]));
        Assert.Throws<UnknownModelException>(() => ModelBundle.FromModel(model, "vit_none", ["a", "b", "c"]));
        Assert.StartsWith(
            "vit_2_4_32 takes 3 channels: ",
            Assert
                .Throws<ArgumentException>(() => ModelBundle.FromModel(model, "vit_2_4_32", ["a", "b", "c"], new([0.5], [0.5], 1)))
                .Message,
            StringComparison.Ordinal
        );
    }

    [Fact]
    public void Embeddings_are_the_features_that_the_classifier_sees()
    {
        using var scope = new Scope();
        Torch.Seed(3);
        var model = Registry.Create("vit_2_4_32", new() { Classes = 3 });
        var bundle = ModelBundle.FromModel(model, "vit_2_4_32", ["cat", "dog", "hen"], Preprocessing.Cifar10);
        using var first = Image.Open(Picture("a.ppm", 1));
        using var second = Image.Open(Picture("b.ppm", 2));
        var one = bundle.Embed(first);
        Assert.Equal([1, model.NumFeatures], one.Shape);
        var both = bundle.Embed(first, second);
        Assert.Equal([2, model.NumFeatures], both.Shape);
        Near.Equal(one, both.Slice(0, 0, 1), 1e-5);
        Near.Equal(model.Call(first.ToTensor(Preprocessing.Cifar10, 32)), model.ForwardClassifier(one), 1e-5);
        Assert.Throws<RunException>(() => bundle.Embed([]));
    }
}
