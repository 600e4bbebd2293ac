using Tessera.Models;
using Tessera.Testing;
using Tessera.Training.Tasks.Retrieval;

namespace Tessera.Training.Tests.Retrieval;

/// <summary>The task in recipes, bundles and reports.</summary>
[Collection("engine")]
public sealed class RetrievalTaskTests : IDisposable
{
    private const int Side = 8,
        Each = 6;

    private readonly TempFolder folder = new();

    public void Dispose() => folder.Dispose();

    // Six classes of stripes, each of its own brightness and direction.
    private string Images(params string[] splits)
    {
        var random = new Random(1);
        foreach (var split in splits)
        foreach (var label in Enumerable.Range(0, 6))
        foreach (var image in Enumerable.Range(0, Each))
            folder.Write(
                Path.Combine("data", split, $"class{label}", $"{image}.ppm"),
                Pnm.Pixels(
                    Side,
                    Side,
                    Enumerable
                        .Range(0, Side * Side)
                        .SelectMany(i =>
                            Enumerable.Repeat((byte)((label % 2 == 0 ? i % 2 : i / Side % 2) * 100 + label * 20 + random.Next(20)), 3)
                        )
                )
            );
        return folder["data"];
    }

    private string Recipe(
        string root,
        string task = "{ name: retrieval, ks: [ 1, 3 ], classifier: true }",
        string more = "train_classes: 4"
    ) =>
        folder.Write(
            "recipe.yaml",
            $$"""
            model: { name: vit_tiny_patch16_224, image_size: 16 }
            data: { name: image_folder, root: {{root}}, batch: 8, {{more}} }
            task: {{task}}
            augment: [ resize: { size: 16 } ]
            evaluation: { transforms: [ resize: { size: 16 } ] }
            objective: supervised
            optimizer: { name: adamw, lr: 1e-4 }
            schedule: { name: constant, epochs: 1 }
            train: { threads: 1 }
            """
        );

    [Fact]
    public void A_run_learns_some_classes_and_is_measured_within_the_others()
    {
        RetrievalMetrics last;
        List<string> said = [];
        using (
            var experiment = Experiment.Begin(Recipe(Images("")), [], folder["run"], happened =>
                said.AddRange(happened is DataRemark remark ? [remark.Remark] : [])
            )
        )
        {
            Assert.Equal(4, experiment.TrainData.ClassNames.Count);
            Assert.Equal(2, experiment.TestData.ClassNames.Count);
            Assert.Empty(experiment.TrainData.ClassNames.Intersect(experiment.TestData.ClassNames));
            Assert.Equal(experiment.TrainData.ClassNames, experiment.Facts.Classes);
            last = Assert.IsType<RetrievalMetrics>(experiment.Train().Last);
        }
        Assert.Contains("learned from 4 classes, drawn by data.subset_seed=0; measured on 12 samples of 2 classes (unseen)", said);
        Assert.Equal((2 * Each, 2 * Each - 1), (last.Queries, last.Searched));
        Assert.Equal([1, 3], last.Recall.Select(one => one.K));
        var report = File.ReadAllText(new RunFolder(folder["run"]).ReportPath);
        Assert.Contains("Recall among the K nearest images", report, StringComparison.Ordinal);
        Assert.Contains("nearest image is right", report, StringComparison.Ordinal);

        using var scope = new Scope();
        using var outside = Torch.NoGrad();
        var bundle = ModelBundle.Load(folder["run"]);
        var again = BundleMeasurement.OfRun(folder["run"], bundle, new());
        Assert.Equal(last.Scalars, again.Run().Scalars);
        // Other data has its own classes.
        var all = BundleMeasurement.OfRun(folder["run"], bundle, new(Split: "train"));
        Assert.Equal(6 * Each, Assert.IsType<RetrievalMetrics>(all.Run()).Queries);

        using var image = Image.Open(folder["data/class0/0.ppm"]);
        var prepared = bundle.Read(image).Read().Inputs;
        var own = bundle.Embed(image);
        Assert.Equal(new Descriptor().Of(bundle.Backbone, prepared).ToArray<float>(), own.ToArray<float>());
        Assert.Equal(1, own.Square().Sum().ToDouble(), 1e-5);
        Assert.Contains("says no classes", Assert.Throws<RunException>(() => bundle.Predict(image)).Message, StringComparison.Ordinal);
        Assert.Contains("says no classes", Assert.Throws<RunException>(() => bundle.Explain(bundle.Read(image))).Message);
    }

    [Fact]
    public void A_test_split_is_measured_on_the_classes_that_are_not_learned_from()
    {
        var recipe = global::Tessera.Training.Experiments.Recipe.Load(Recipe(Images("train", "test"))).Data;
        var (train, test) = (recipe.OpenTraining(), recipe.Open(recipe.MeasuredSplit()));
        Assert.Equal((4, 2), (train.ClassNames.Count, test.ClassNames.Count));
        Assert.Contains("/train/", train.SampleName(0), StringComparison.Ordinal);
        Assert.Contains("/test/", test.SampleName(0), StringComparison.Ordinal);
        Assert.Empty(train.ClassNames.Intersect(test.ClassNames));
        var other = (recipe with { SubsetSeed = 1 }).OpenTraining();
        Assert.Equal(4, other.ClassNames.Count);
        Assert.Contains(Enumerable.Range(0, 9), seed => !Drawn(seed).SequenceEqual(train.ClassNames));

        IReadOnlyList<string> Drawn(int seed) => (recipe with { SubsetSeed = (ulong)seed }).OpenTraining().ClassNames;
    }

    [Fact]
    public void Classes_that_are_learned_from_and_measured_are_said()
    {
        var data = Data.Sets.Datasets.OpenImages("image_folder", "train", Images("train"));
        var task = new RetrievalTask();
        Assert.Contains("6 of the 6 classes that retrieval is measured on are learned from", Assert.Single(task.RemarksOnTest(data, data)));
        var (some, others) = (ClassSplit.Part(data, name => name == "class1", "a"), ClassSplit.Part(data, name => name != "class1", "b"));
        Assert.Empty(task.RemarksOnTest((Data.Loading.LoadableDataset)some, others));
    }

    [Fact]
    public void Without_a_classifier_the_model_knows_no_classes_and_labels_keep_their_numbers()
    {
        var data = Data.Sets.Datasets.OpenImages("image_folder", "train", Images("train"));
        var task = new RetrievalTask();
        var facts = task.FactsOf(data);
        Assert.Empty(facts.Classes);
        var few = ClassSplit.Part(data, name => name is "class4" or "class5", "unseen");
        Assert.Equal(["class4", "class5"], task.Prepare(few, new RetrievalTask(Classifier: true).FactsOf(data)).ClassNames);
        Assert.Equal(0, task.CreateModel(new("vit_tiny_patch16_224", facts.ModelDefaults with { ImageSize = (32, 32) })).Classes);
    }

    [Fact]
    public void The_data_of_queries_decides_on_the_task()
    {
        var images = Small.Images(4, (_, _) => { });
        Assert.IsType<RetrievalTask>(
            TaskKind.DefaultFor(images.Relabelled(new QueryGalleryLabels((ClassLabels)images.Annotations, [true, false, false, false])))
        );
        var landmarks = images.Relabelled(new LandmarkQueries(4, [new(3, [0], [], [])]));
        Assert.IsType<RetrievalTask>(TaskKind.DefaultFor(landmarks));
        Assert.Contains(
            "needs images with one class each",
            Assert.Throws<DataException>(() => new RetrievalTask().Prepare(images.Relabelled(new Unlabelled(4)))).Message
        );
    }

    [Fact]
    public void Published_weights_are_measured_without_their_classifier()
    {
        folder.Write("gnd_roxford5k.pkl", PickleWriter.Of(Truth()));
        foreach (var (value, name) in ((int, string)[])[(10, "a"), (90, "b"), (200, "c"), (11, "q")])
            folder.Write($"jpg/{name}.jpg", Pnm.Colored(value, 32, 32));
        var variant = Registry.Get("vit_tiny_patch16_224");
        Model model = variant.Create(new());
        var file = folder["vit.safetensors"];
        model.Save(file);
        var measurement = BundleMeasurement.OfWeights(variant, new(file), new("roxford5k", folder.Path));
        Assert.IsType<RetrievalTask>(measurement.Bundle.Task);
        Assert.Equal(0, measurement.Bundle.Model.Classes);
        var metrics = Assert.IsType<RevisitedMetrics>(measurement.Run());
        Assert.Equal((4, 1, 3), (metrics.Count, metrics.Queries, metrics.Searched));

        static Dictionary<string, object?> Truth() =>
            new()
            {
                ["imlist"] = new object[] { "a", "b", "c" },
                ["qimlist"] = new object[] { "q" },
                ["gnd"] = new object[]
                {
                    new Dictionary<string, object?>
                    {
                        ["bbx"] = new object[] { 0, 0, 20, 20 },
                        ["easy"] = new object[] { 0 },
                        ["hard"] = Array.Empty<object>(),
                        ["junk"] = Array.Empty<object>(),
                    },
                },
            };
    }

    [Fact]
    public void Settings_that_cannot_be_are_refused()
    {
        var root = Images("train");
        string Refused(string task, string more = "train_classes: 4") =>
            Assert.Throws<RecipeException>(() => global::Tessera.Training.Experiments.Recipe.Load(Recipe(root, task, more))).Message;
        Assert.Contains("ks must be numbers of at least 1", Refused("{ name: retrieval, ks: [ 0 ] }"), StringComparison.Ordinal);
        Assert.Contains("gem_power", Refused("{ name: retrieval, gem_power: 0 }"), StringComparison.Ordinal);
        Assert.Contains(
            "only one of both can be given",
            Refused("retrieval", "split: minitrain, train_classes: 4"),
            StringComparison.Ordinal
        );
        Assert.Contains(
            "cls needs a model with a class token, and resnet18 has none",
            Assert.Throws<RunException>(() => new RetrievalTask(DescriptorPooling.Cls).CreateModel(new("resnet18", new()))).Message
        );
    }
}
