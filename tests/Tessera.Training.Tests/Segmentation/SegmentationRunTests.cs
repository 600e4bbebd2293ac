using Tessera.Data.Sets;
using Tessera.Models;
using Tessera.Testing;
using Tessera.Training.Optimization;
using Tessera.Training.Tasks.Segmentation;

namespace Tessera.Training.Tests.Segmentation;

/// <summary>Heads over backbones as recipes, runs and bundles know them.</summary>
[Collection("engine")]
public sealed class SegmentationRunTests : IDisposable
{
    private const int Side = 32,
        Count = 24;

    private const string Yaml = """
        model: { name: semantic_fpn, width: 16, channels: 16, dropout: 0, backbone: { name: mit_micro_32, drop_path: 0 } }
        data: { name: squares, batch: 8 }
        augment: [ random_horizontal_flip ]
        objective: segmentation
        optimizer: { name: adamw, lr: 1e-2, weight_decay: 0 }
        schedule: { name: cosine, epochs: 12 }
        train: { threads: 1, log_every: 1 }
        evaluation: { batch: 4 }
        """;

    private readonly TempFolder folder = new();

    static SegmentationRunTests()
    {
        Datasets.Add(new("squares", "a bright square before a dark ground", ["train", "test"], "squares", (split, _) => Squares(split)));
        Datasets.Add(
            new("unequal", "squares of which half are hardly labelled", ["train", "test"], "unequal", (split, _) => Unequal(split))
        );
        RecipeParts.Register<OwnHeadOptions>();
    }

    public void Dispose() => folder.Dispose();

    // Squares of random place; the border of each image is ignored.
    private static MemoryImages Squares(string split)
    {
        var random = new Random(split == "train" ? 1 : 2);
        var pixels = new byte[Count * 3 * Side * Side];
        var maps = new LabelMap[Count];
        for (var i = 0; i < Count; i++)
        {
            var (top, left, size) = (random.Next(20), random.Next(20), random.Next(8, 13));
            var ids = new byte[Side * Side];
            for (var y = 0; y < Side; y++)
            for (var x = 0; x < Side; x++)
            {
                var inside = y >= top && y < top + size && x >= left && x < left + size;
                ids[y * Side + x] = x == 0 ? LabelMap.Ignored : (byte)(inside ? 1 : 0);
                for (var c = 0; c < 3; c++)
                    pixels[((i * 3 + c) * Side + y) * Side + x] = (byte)(random.Next(60) + (inside ? 180 : 20));
            }
            maps[i] = new(ids, new(Side, Side));
        }
        return new("squares", split, new LabelMaps(["ground", "square"], Count, i => maps[i]), pixels, 3, Side, Side);
    }

    [Fact]
    public void A_segmenter_is_trained_by_recipe_measured_and_loaded_back()
    {
        SegmentationMetrics last;
        using (
            var experiment = Experiment.Begin(
                folder.Write("r.yaml", Yaml),
                ["model={name: own_head, backbone: vit_micro_patch4_32}"],
                folder["run"]
            )
        )
        {
            Assert.IsType<SegmentationTask>(experiment.Task);
            last = (SegmentationMetrics)experiment.Train().Last!;
        }
        Assert.InRange(last.MeanIou, 0.8, 1);
        Assert.Equal(Count, last.Images.Count);
        // By the name that the log and eval have.
        var results = System.Text.Json.Nodes.JsonNode.Parse(File.ReadAllText(new RunFolder(folder["run"]).ResultsPath))!;
        Assert.Equal(last.MeanIou, (double)results["evaluation"]!["miou"]!);
        var page = File.ReadAllText(new RunFolder(folder["run"]).ReportPath);
        foreach (var title in (string[])["IoU per class", "Confusion", "Truth and prediction", "Worst images", "Per class", "Mean IoU"])
            Assert.Contains(title, page, StringComparison.Ordinal);
        foreach (var what in (string[])["image", "labels", "prediction"])
            Assert.Equal(12, page.Split($"alt=\"{what} of ").Length - 1);
        // The colours of the classes are in the bundle.
        Assert.Equal(["#000000", "#800000"], ((SegmentationFacts)ModelBundle.Load(folder["run"]).Facts).Palette);

        using var scope = new Scope();
        var bundle = ModelBundle.Load(folder["run"]);
        Assert.IsType<OwnSegmenter>(bundle.Model);
        Assert.Equal("own_head over vit_micro_patch4_32", bundle.Content.Model.Title);
        var again = (SegmentationMetrics)BundleMeasurement.OfRun(folder["run"], bundle, new()).Run();
        Assert.Equal(last.Scores.Confusion, again.Scores.Confusion);
        // Batches of another size change nothing but the rounding of the loss.
        var others = (SegmentationMetrics)BundleMeasurement.OfRun(folder["run"], bundle, new()).Run(batch: 1);
        Assert.Equal(last.Scores.Confusion, others.Scores.Confusion);
    }

    [Fact]
    public void The_loss_and_the_unlabelled_share_are_in_the_log()
    {
        using (var experiment = Experiment.Begin(folder.Write("r.yaml", Yaml), ["schedule.epochs=1"], folder["run"]))
            experiment.Train();
        var step = RunLog.Read(new RunFolder(folder["run"]).LogPath).First(line => (string?)line["kind"] == "step");
        Assert.InRange((double)step["pixel_accuracy"]!, 0, 1);
        Assert.Equal(0, (double)step["unlabelled"]!);
    }

    [Fact]
    public void A_recipe_is_written_as_it_is_read()
    {
        var recipe = Recipe.Parse(Yaml, "r.yaml");
        Assert.Equal(new SemanticFpnOptions(Width: 16, Channels: 16, Dropout: 0), recipe.Model.Head);
        Assert.Equal("mit_micro_32", recipe.Model.Backbone!.Name);
        var text = recipe.ToYaml();
        Assert.Equal(text, Recipe.Parse(text, "again.yaml").ToYaml());
        var inCode = recipe with { Model = new(new SemanticFpnOptions(16, 16, 0), new("mit_micro_32", DropPath: 0)) };
        Assert.Equal(text, inCode.Validated().ToYaml());
        Assert.Contains("channels: 24", Recipe.Parse(Yaml, "r.yaml", "model.channels=24").ToYaml(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("model={name: upernet}", "model: upernet needs the field backbone, which names a model of the registry")]
    [InlineData("model.image_size=64", "model: image_size belongs into backbone: the head semantic_fpn has no such field")]
    [InlineData("model.drop_path=0.1", "model: drop_path belongs into backbone: the head semantic_fpn has no such field")]
    [InlineData("model.backbone.classes=3", "model: classes and new_head belong beside the head's name, not into backbone")]
    [InlineData("model.name=mit_micro_32", "model.width: unknown field; ")]
    [InlineData("model={name: mit_micro_32, backbone: {name: mit_micro_32}}", "model: backbone needs a head in model.name (")]
    [InlineData(
        "model.backbone={name: upernet, backbone: {name: mit_micro_32}}",
        "model: backbone.name must be a model of the registry, and upernet is a head"
    )]
    [InlineData("model.pool=3", "model.pool: unknown field; ")]
    [InlineData("objective={name: segmentation, loss: [dice, dice]}", "objective: loss: dice is given twice")]
    [InlineData("task={name: segmentation, crop: [1, 2, 3]}", "task: crop must be one side, or height and width")]
    public void What_does_not_go_together_is_refused(string setting, string expected) =>
        Assert.Contains(
            expected,
            Assert.Throws<RecipeException>(() => Recipe.Parse(Yaml, "r.yaml", setting)).Message,
            StringComparison.Ordinal
        );

    [Theory]
    [InlineData("model=mit_micro_32", "model.name: mit_micro_32 is a backbone, and task segmentation needs a head over one")]
    [InlineData("objective=supervised", "objective: supervised needs ClassTargets, but task segmentation has MaskTargets")]
    public void What_a_segmentation_cannot_use_is_refused_before_it_begins(string setting, string expected)
    {
        var error = Assert.Throws<RunException>(() => Experiment.Begin(folder.Write("r.yaml", Yaml), [setting], folder["run"]));
        Assert.Contains(expected, error.Message, StringComparison.Ordinal);
        Assert.False(File.Exists(new RunFolder(folder["run"]).RecipePath));
    }

    [Fact]
    public void A_backbone_under_a_head_takes_weights_of_a_classifier()
    {
        using var scope = new Scope();
        Torch.Seed(5);
        var classifier = Registry.Create("mit_micro_32", new() { Classes = 7 });
        classifier.Save(folder["classifier.safetensors"]);
        using var experiment = Experiment.Begin(
            folder.Write("r.yaml", Yaml),
            [$"model.backbone.weights={folder["classifier.safetensors"]}"],
            folder["run"]
        );
        var own = ((Segmenter)experiment.Model).Backbone.StateDict();
        Assert.NotEmpty(own);
        Assert.All(own, entry => Assert.Equal(classifier.StateDict()[entry.Key].ToBytes(), entry.Value.ToBytes()));
    }

    [Fact]
    public void A_run_continues_another_as_a_whole()
    {
        using (var first = Experiment.Begin(folder.Write("r.yaml", Yaml), ["schedule.epochs=1"], folder["first"]))
            first.Train();
        using var second = Experiment.Begin(folder["r.yaml"], [$"model.weights={folder["first"]}"], folder["second"]);
        using var scope = new Scope();
        var expected = ModelBundle.Load(folder["first"]).Model.StateDict();
        Assert.All(second.Model.StateDict(), entry => Assert.Equal(expected[entry.Key].ToBytes(), entry.Value.ToBytes()));
        var error = Assert.Throws<RunException>(() =>
            Experiment.Begin(folder["r.yaml"], [$"model.backbone.weights={folder["first"]}"], folder["third"])
        );
        Assert.Contains("must be one of a backbone alone: a whole model goes to model.weights", error.Message, StringComparison.Ordinal);
    }

    // The labelled pixels of a step are one mean, however they are spread over batches and parts of them.
    [Fact]
    public void Parts_of_a_batch_count_by_their_labelled_pixels()
    {
        using var scope = new Scope();
        var (whole, parts) = (Weights([]), Weights(["train.micro_batch=3"]));
        foreach (var (name, expected) in whole)
            Assert.True(expected.Allclose(parts[name], 1e-4, 1e-5), name);

        OrderedDictionary<string, Tensor> Weights(string[] settings)
        {
            var name = $"run{settings.Length}";
            var file = folder.Write($"{name}.yaml", Yaml.Replace("name: squares", "name: unequal", StringComparison.Ordinal));
            using var experiment = Experiment.Begin(
                file,
                [
                    "schedule.epochs=1",
                    "optimizer={name: sgd, lr: 0.01}",
                    // Without batch norm, whose statistics would differ by the parts of a batch.
                    "model={name: own_head, backbone: vit_micro_patch4_32}",
                    .. settings,
                ],
                folder[name]
            );
            experiment.Train();
            return experiment.Model.StateDict();
        }
    }

    // Every second sample has a single labelled row.
    private static ImageDataset Unequal(string split)
    {
        var squares = Squares(split);
        var maps = (LabelMaps)squares.Annotations;
        return squares.Relabelled(new LabelMaps(maps.ClassNames, maps.Count, i =>
            {
                var map = maps[i];
                return i % 2 == 0 ? map : map with { Ids = [.. map.Ids.Select((id, p) => p < Side ? id : LabelMap.Ignored)] };
            }));
    }

    [Fact]
    public void A_batch_without_labels_has_loss_and_gradient_0_and_is_counted()
    {
        using var scope = new Scope();
        Torch.Seed(1);
        var model = (Segmenter)new ModelSpec("mit_micro_32", new() { Classes = 2 }, new SegFormerOptions(8)).Create();
        var learning = new SegmentationLearning(
            model,
            [new PixelCrossEntropy(), new DiceLoss(), new LovaszLoss(), new HardPixelCrossEntropy()]
        );
        var batch = new Batch(Torch.Randn([2, 3, Side, Side]), new MaskTargets(Torch.Full([2, Side, Side], 255, DType.Int64)), [0, 1]);
        var loss = learning.Compute(batch, new(0, 1, 0, 1));
        Assert.Equal(0, learning.WeightOf(batch));
        Assert.Equal(new Score(1, 1), loss.Scores["unlabelled"]);
        foreach (var name in new[] { "cross_entropy", "lovasz", "ohem" })
            Assert.Equal(0, loss.Parts[name].ToDouble());
        loss.Total.Backward();
        Assert.All(model.Parameters(), p => Assert.True(p.Grad is null || p.Grad.Abs().Max().ToDouble() == 0));
    }

    [Fact]
    public void The_head_comes_after_the_blocks_for_layer_decay_and_has_a_rate_of_its_own()
    {
        using var scope = new Scope();
        var backbone = new Vit(new((32, 32), 8, 24, 3, 3, 0));
        var model = new UPerNet(backbone, new UPerNetOptions(8, AuxiliaryChannels: 8), 3);
        var layers = LayerDecay.Layers(model);
        var own = LayerDecay.Layers(backbone);
        Assert.Equal(model.NamedParameters().Select(p => p.Name).Order(), layers.Keys.Order());
        Assert.All(own, entry => Assert.Equal(entry.Value, layers[$"backbone.{entry.Key}"]));
        Assert.Equal(backbone.BlockPaths.Count + 1, layers["decode_head.conv_seg.weight"]);
        var scales = layers.Where(entry => entry.Key.StartsWith("backbone.fpn", StringComparison.Ordinal)).ToArray();
        Assert.NotEmpty(scales);
        Assert.All(scales, entry => Assert.Equal(backbone.BlockPaths.Count + 1, entry.Value));
        var learning = new SegmentationLearning(model, [new PixelCrossEntropy()], headScale: 10);
        Assert.Equal(10, learning.LearningRateScale("decode_head.conv_seg.weight"));
        Assert.Equal(1, learning.LearningRateScale("backbone.pos_embed"));
    }

    [Fact]
    public void Own_heads_are_known_by_their_names()
    {
        var recipe = Recipe.Parse(Yaml, "r.yaml", "model={name: own_head, gain: 2, backbone: {name: mit_micro_32}}");
        Assert.Equal(new OwnHeadOptions(2), recipe.Model.Head);
        Assert.Contains("name: own_head", recipe.ToYaml(), StringComparison.Ordinal);
    }

    [RecipeName("own_head")]
    public sealed record OwnHeadOptions(double Gain = 1) : SegmenterOptions
    {
        public override Segmenter Create(Backbone backbone, int classes) => new OwnSegmenter(backbone, Gain, classes);
    }
}

/// <summary>A classifier on the finest map, as a program adds a head of its own.</summary>
internal sealed partial class OwnSegmenter : Segmenter
{
    private Nn.Conv2d classifier;
    private readonly double gain;

    public OwnSegmenter(Backbone backbone, double gain, int classes)
        : base(backbone) => (this.gain, classifier) = (gain, new(MapChannels[0], classes, 1));

    public override int Classes => (int)classifier.Weight.Size(0);

    protected override IReadOnlyList<string> ClassifierPaths => ["classifier"];

    protected override Tensor Decode(IReadOnlyList<Tensor> maps, (long Height, long Width) image) => classifier.Call(maps[0]) * gain;

    public override void ResetClassifier(int classes) => classifier = new(MapChannels[0], classes, 1);
}
