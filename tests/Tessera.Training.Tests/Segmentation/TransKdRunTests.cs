using Tessera.Data.Sets;
using Tessera.Models;
using Tessera.Testing;
using Tessera.Training.Tasks.Segmentation;

namespace Tessera.Training.Tests.Segmentation;

/// <summary>TransKD as a training method: recipes, runs, checkpoints and what is kept of them.</summary>
[Collection("engine")]
public sealed class TransKdRunTests : IDisposable
{
    private const int Side = 32,
        Count = 16;

    private const string Yaml = """
        model: { name: segformer, width: 16, dropout: 0, backbone: { name: mit_micro_32, drop_path: 0 } }
        data: { name: bars, batch: 4 }
        augment: [ random_horizontal_flip, label_scale: 4 ]
        objective: segmentation
        optimizer: { name: adamw, lr: 3e-3, weight_decay: 0 }
        schedule: { name: poly, epochs: 3, warmup: 2 }
        train: { threads: 1, log_every: 1 }
        evaluation: { batch: 4, transforms: [ label_scale: 4 ] }
        """;

    private readonly TempFolder folder = new();

    static TransKdRunTests() =>
        Datasets.Add(new("bars", "a bright bar before a dark ground", ["train", "test"], "bars", (split, _) => Bars(split)));

    public void Dispose() => folder.Dispose();

    private static MemoryImages Bars(string split)
    {
        var random = new Random(split == "train" ? 1 : 2);
        var pixels = new byte[Count * 3 * Side * Side];
        var maps = new LabelMap[Count];
        for (var i = 0; i < Count; i++)
        {
            var (left, width) = (random.Next(16), random.Next(8, 16));
            var ids = new byte[Side * Side];
            for (var place = 0; place < ids.Length; place++)
            {
                var inside = place % Side >= left && place % Side < left + width;
                ids[place] = place < Side ? LabelMap.Ignored : (byte)(inside ? 1 : 0);
                for (var c = 0; c < 3; c++)
                    pixels[(i * 3 + c) * Side * Side + place] = (byte)(random.Next(60) + (inside ? 180 : 20));
            }
            maps[i] = new(ids, new(Side, Side));
        }
        return new("bars", split, new LabelMaps(["ground", "bar"], Count, i => maps[i]), pixels, 3, Side, Side);
    }

    private Experiment Begin(string name, params string[] settings) =>
        Experiment.Begin(folder.Write($"{name}.yaml", Yaml), settings, folder[name]);

    private string Teacher()
    {
        using (var experiment = Begin("teacher", "schedule.epochs=1", "model.width=24"))
            experiment.Train();
        return folder["teacher"];
    }

    private static string Method(string teacher, string kind, string more = "") =>
        $"objective={{name: transkd, teacher: {{run: {teacher}}}, kind: {kind}, middle: 16, reduced: 8, mixer_heads: 4{more}}}";

    [Fact]
    public void The_bundle_is_the_student_and_the_teacher_stays_as_it_was()
    {
        using var scope = new Scope();
        var teacher = Teacher();
        var before = ModelBundle.Load(teacher).Model.StateDict();
        Tensor expected;
        var images = Torch.Randn([2, 3, Side, Side]);
        using (var experiment = Begin("student", Method(teacher, "ea")))
        {
            var learning = Assert.IsType<TransKdLearning>(experiment.Objective);
            Assert.Same(experiment.Model, learning.Method.Student);
            experiment.Train();
            Assert.False(learning.Method.Teacher.Training);
            Assert.All(learning.Method.Teacher.Parameters(), parameter => Assert.Null(parameter.Grad));
            foreach (var (name, tensor) in learning.Method.Teacher.StateDict())
                Near.Identical(before[name], tensor);
            // What a checkpoint holds beside the model: what lies between the two, and neither of them.
            var own = experiment.Objective.OwnStateDict().Keys.ToArray();
            Assert.Contains("transkd.skfs.0.conv1.0.weight", own);
            Assert.Contains("transkd.embed4_linearproject.weight", own);
            Assert.Contains("transkd.fuse_weights.7", own);
            Assert.DoesNotContain(own, name => name.Contains("student", StringComparison.Ordinal));
            Assert.DoesNotContain(own, name => name.Contains("teacher", StringComparison.Ordinal));
            experiment.Model.Eval();
            using var outside = Torch.NoGrad();
            expected = learning.Method.Run(images).Logits;
        }
        var bundle = ModelBundle.Load(folder["student"]);
        var alone = Assert.IsType<SegFormer>(bundle.Model);
        using var still = Torch.NoGrad();
        Near.Identical(expected, alone.Call(images));
        var step = RunLog.Read(new RunFolder(folder["student"]).LogPath).First(line => (string?)line["kind"] == "step");
        Assert.All(["cross_entropy", "features", "embeddings"], part => Assert.True((double)step[part]! > 0));
        Assert.Equal((double)step["loss"]!, (double)step["cross_entropy"]! + (double)step["features"]! + (double)step["embeddings"]!, 1e-5);
    }

    [Theory]
    [InlineData("base")]
    [InlineData("gl")]
    public void A_training_that_was_stopped_comes_to_the_same_weights(string kind)
    {
        using var scope = new Scope();
        var teacher = Teacher();
        using (var experiment = Begin("whole", Method(teacher, kind)))
            experiment.Train();
        using (var experiment = Begin("halves", Method(teacher, kind)))
            experiment.Trainer.Train(until: 5);
        using (var experiment = Experiment.Resume(folder["halves"]))
            experiment.Train();
        foreach (var (file, tensor) in ModelBundle.Load(folder["whole"]).Model.StateDict())
            Near.Identical(tensor, ModelBundle.Load(folder["halves"]).Model.StateDict()[file]);
    }

    [Fact]
    public void The_distances_of_features_and_embeddings_to_the_teacher_fall()
    {
        var teacher = Teacher();
        using (var experiment = Begin("student", Method(teacher, "base"), "schedule.epochs=10"))
            experiment.Train();
        var steps = RunLog.Read(new RunFolder(folder["student"]).LogPath).Where(line => (string?)line["kind"] == "step").ToArray();
        foreach (var part in new[] { "features", "embeddings" })
            Assert.InRange((double)steps[^1][part]!, 0, 0.8 * (double)steps[0][part]!);
    }

    [Fact]
    public void Images_without_labels_teach_too()
    {
        using var scope = new Scope();
        Torch.Seed(3);
        Segmenter Network(int width) =>
            (Segmenter)new ModelSpec("mit_micro_32", new() { Classes = 2 }, new SegFormerOptions(width)).Create();
        var learning = new TransKdLearning(new TransKd(Network(8), Network(16), new(Middle: 16, Reduced: 8)), [new PixelCrossEntropy()]);
        var batch = new Batch(Torch.Randn([2, 3, Side, Side]), new MaskTargets(Torch.Full([2, 8, 8], 255, DType.Int64)), [0, 1]);
        var loss = learning.Compute(batch, new(0, 1, 0, 1));
        Assert.Equal(0, loss.Parts["cross_entropy"].ToDouble());
        Assert.Null(learning.WeightOf(batch));
        Assert.True(loss.Total.ToDouble() > 0);
    }

    [Fact]
    public void Another_head_is_no_obstacle()
    {
        using var experiment = Begin(
            "student",
            "model={name: upernet, channels: 8, auxiliary_channels: 8, backbone: mit_micro_32}",
            Method(Teacher(), "base"),
            "schedule.epochs=1"
        );
        Assert.True(experiment.Train().Completed);
        var step = RunLog.Read(new RunFolder(folder["student"]).LogPath).First(line => (string?)line["kind"] == "step");
        Assert.True((double)step["auxiliary"]! > 0);
    }

    [Fact]
    public void What_a_teacher_cannot_teach_is_refused_with_both_names()
    {
        var teacher = Teacher();
        foreach (var backbone in new[] { "swin_micro_patch2_window4_32", "vit_micro_patch4_32" })
        {
            var error = Assert.Throws<RunException>(() => Begin("student", $"model.backbone.name={backbone}", Method(teacher, "base")));
            Assert.Contains($"segformer over {backbone} cannot be trained this way", error.Message, StringComparison.Ordinal);
            Assert.Contains($"with the teacher {teacher}", error.Message, StringComparison.Ordinal);
            Assert.DoesNotContain('\n', error.Message);
        }
    }

    [Fact]
    public void Teachers_of_other_classes_other_images_or_another_kind_are_refused()
    {
        var teacher = Teacher();
        Refused("has 2 classes instead of 3", "model.classes=3");
        Refused(": set data.mean and data.std to the teacher's", "data.mean=[0, 0, 0]", "data.std=[1, 1, 1]");
        using (new Scope())
        {
            var classifier = Registry.Create("mit_micro_32", new() { Classes = 2 });
            classifier.Save(folder["classifier.safetensors"]);
        }
        var error = Assert.Throws<RunException>(() =>
            Begin("student", $"objective={{name: transkd, teacher: {{model: mit_micro_32, weights: {folder["classifier.safetensors"]}}}}}")
        );
        Assert.Contains(
            "mit_micro_32 gives no class for each pixel: the teacher must be a segmenter",
            error.Message,
            StringComparison.Ordinal
        );

        void Refused(string expected, params string[] settings) =>
            Assert.Contains(
                expected,
                Assert.Throws<RunException>(() => Begin("student", [.. settings, Method(teacher, "base")])).Message,
                StringComparison.Ordinal
            );
    }

    [Fact]
    public void A_teacher_may_be_a_file_of_a_head_over_a_backbone()
    {
        using var scope = new Scope();
        var bundle = ModelBundle.Load(Teacher());
        bundle.Model.Save(folder["teacher.pth"]);
        using var experiment = Begin(
            "student",
            "objective={name: transkd, mixer_heads: 4, teacher: {model: mit_micro_32, head: {name: segformer, width: 24}, "
                + $"weights: {folder["teacher.pth"]}}}}}"
        );
        var own = ((TransKdLearning)experiment.Objective).Method.Teacher.StateDict();
        foreach (var (name, tensor) in bundle.Model.StateDict())
            Near.Identical(tensor, own[name]);
        Assert.Contains("head:", experiment.Recipe.ToYaml(), StringComparison.Ordinal);
        Assert.Equal(experiment.Recipe.ToYaml(), Recipe.Parse(experiment.Recipe.ToYaml(), "again.yaml").ToYaml());
    }

    [Theory]
    [InlineData("kind: other", "objective.kind: must be one of base, gl, ea")]
    [InlineData("embedding_weights: [1, 2]", "2 weights of embeddings were given: there must be 4")]
    [InlineData("loss: [dice, dice]", "loss: dice is given twice")]
    public void What_does_not_go_together_is_refused(string field, string expected) =>
        Assert.Contains(
            expected,
            Assert
                .Throws<RecipeException>(() => Recipe.Parse(Yaml, "r.yaml", $"objective={{name: transkd, teacher: {{run: r}}, {field}}}"))
                .Message,
            StringComparison.Ordinal
        );
}
