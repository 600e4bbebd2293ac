using Tessera.Data.Images;
using Tessera.Data.Sets;
using Tessera.Models;
using Tessera.Testing;
using Tessera.Training.Tasks.Detection;

namespace Tessera.Training.Tests.Detection;

/// <summary>Detectors as recipes, runs and bundles know them.</summary>
[Collection("engine")]
public sealed class DetectionRunTests : IDisposable
{
    private const int Side = 48,
        Count = 12;

    private const string Yaml = """
        model:
          name: mask_rcnn
          width: 16
          fc_width: 32
          mask_convolutions: 1
          rois: { sampled: 32 }
          rpn: { training_candidates: 200, training_proposals: 60, candidates: 200, proposals: 60 }
          backbone: { name: mit_micro_32, drop_path: 0 }
        data: { name: bright_rectangles, batch: 4 }
        augment: [ random_horizontal_flip ]
        objective: detection
        optimizer: { name: adamw, lr: 2e-3, weight_decay: 0 }
        schedule: { name: constant, epochs: 2 }
        train: { threads: 1, log_every: 1 }
        evaluation: { every: 0, batch: 4, transforms: [] }
        """;

    private readonly TempFolder folder = new();

    static DetectionRunTests() =>
        Datasets.Add(
            new("bright_rectangles", "bright rectangles before a dark ground", ["train", "test"], "bright_rectangles", (split, _) =>
                Shapes(split)
            )
        );

    public void Dispose() => folder.Dispose();

    // One rectangle in most images, red or green; every fourth image has none.
    private static MemoryImages Shapes(string split)
    {
        var random = new Random(split == "train" ? 1 : 2);
        var pixels = new byte[Count * 3 * Side * Side];
        var objects = new IReadOnlyList<ImageObject>[Count];
        for (var i = 0; i < Count; i++)
        {
            var (top, left) = (random.Next(24), random.Next(24));
            var (height, width, label) = (random.Next(12, 22), random.Next(12, 22), i % 4 == 3 ? -1 : i % 2);
            var inside = new byte[Side * Side];
            for (var y = 0; y < Side; y++)
            for (var x = 0; x < Side; x++)
            {
                var isInside = label >= 0 && y >= top && y < top + height && x >= left && x < left + width;
                inside[y * Side + x] = (byte)(isInside ? 1 : 0);
                for (var c = 0; c < 3; c++)
                    pixels[((i * 3 + c) * Side + y) * Side + x] = (byte)(random.Next(60) + (isInside && c == label ? 190 : 20));
            }
            var mask = InstanceMask.FromBitmap(new(Side, Side), inside);
            objects[i] = label < 0 ? [] : [new(new(left, top, left + width, top + height), label, Mask: mask)];
        }
        return new("bright_rectangles", split, new ObjectBoxes(["red", "green"], objects), pixels, 3, Side, Side);
    }

    [Fact]
    public void A_detector_is_trained_by_recipe_measured_reported_and_loaded_back()
    {
        DetectionMetrics last;
        using (var experiment = Experiment.Begin(folder.Write("r.yaml", Yaml), [], folder["run"]))
        {
            Assert.IsType<DetectionTask>(experiment.Task);
            last = (DetectionMetrics)experiment.Train().Last!;
        }
        Assert.Equal(Count, last.Images.Count);
        Assert.NotNull(last.Masks);
        var run = new RunFolder(folder["run"]);
        var results = System.Text.Json.Nodes.JsonNode.Parse(File.ReadAllText(run.ResultsPath))!;
        Assert.Equal(last.Boxes.Ap, (double)results["evaluation"]!["boxes"]!["ap"]!);
        var lines = RunLog.Read(run.LogPath).ToArray();
        var step = lines.First(line => (string?)line["kind"] == "step");
        foreach (var part in (string[])["loss_rpn_cls", "loss_cls", "loss_mask", "without_objects"])
            Assert.True(double.IsFinite((double)step[part]!), part);
        Assert.Contains(
            "3 of 12 images of train have no objects: they are learned from as background",
            lines.Select(line => (string?)line["remark"])
        );
        var page = File.ReadAllText(run.ReportPath);
        foreach (var title in (string[])["Precision and recall", "Truth and prediction", "Worst images", "Misses", "Per class", "Per size"])
            Assert.Contains($"<h2>{title}</h2>", page, StringComparison.Ordinal);
        Assert.Equal(12, page.Split("alt=\"objects of ").Length - 1);

        using var scope = new Scope();
        var bundle = ModelBundle.Load(folder["run"]);
        Assert.IsType<MaskRcnn>(bundle.Model);
        var again = (DetectionMetrics)BundleMeasurement.OfRun(folder["run"], bundle, new()).Run(batch: 1);
        Assert.Equal(last.Boxes.Ap, again.Boxes.Ap, 1e-9);
        Assert.Equal(last.Masks!.Ap, again.Masks!.Ap, 1e-9);
        var lower = bundle.WithThreshold(0.01);
        Assert.Equal(0.01, ((DetectionTask)lower.Task).Threshold);
    }

    [Fact]
    public void A_run_that_was_stopped_ends_with_the_same_weights()
    {
        var recipe = folder.Write("r.yaml", Yaml);
        using (var whole = Experiment.Begin(recipe, [], folder["whole"]))
            whole.Train();
        using (var stop = new CancellationTokenSource())
        {
            var steps = 0;
            using var first = Experiment.Begin(recipe, [], folder["parts"], happened =>
            {
                if (happened is StepDone && ++steps == 2)
                    stop.Cancel();
            });
            Assert.False(first.Train(stop.Token).Completed);
        }
        using (var second = Experiment.Resume(folder["parts"]))
            Assert.True(second.Train().Completed);
        using var scope = new Scope();
        var expected = ModelBundle.Load(folder["whole"]).Model.StateDict();
        Assert.All(ModelBundle.Load(folder["parts"]).Model.StateDict(), entry =>
            Assert.Equal(expected[entry.Key].ToBytes(), entry.Value.ToBytes())
        );
    }

    [Theory]
    [InlineData("model=mit_micro_32", "model.name: mit_micro_32 is a backbone, and task detection needs a detector over one")]
    [InlineData("objective=supervised", "objective: supervised needs ClassTargets, but task detection has BoxTargets")]
    public void What_a_detection_cannot_use_is_refused_before_it_begins(string setting, string expected)
    {
        var error = Assert.Throws<RunException>(() => Experiment.Begin(folder.Write("r.yaml", Yaml), [setting], folder["run"]));
        Assert.Contains(expected, error.Message, StringComparison.Ordinal);
    }
}
