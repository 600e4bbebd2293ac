using Tessera.Data.Sets;
using Tessera.Models;
using Tessera.Models.Layers;
using Tessera.Testing;
using Tessera.Training.Tasks.Segmentation;

namespace Tessera.Training.Tests.Segmentation;

/// <summary>What a model is measured against: maps of another scale, classes that the data lacks, other means.</summary>
[Collection("engine")]
public sealed class MeasuredScaleTests
{
    private static Segmenter Network(int classes)
    {
        Torch.Seed(4);
        var model = (Segmenter)new ModelSpec("mit_micro_32", new() { Classes = classes }, new SegFormerOptions(8)).Create();
        model.Eval();
        return model;
    }

    [Fact]
    public void Scores_are_brought_to_smaller_label_maps_and_never_to_the_image_first()
    {
        using var scope = new Scope();
        var model = Network(3);
        var image = Torch.Randn([1, 3, 32, 32]);
        var labels = Torch.Randint(0, 3, [1, 8, 8]);
        var evaluator = new SegmentationEvaluator(3, new(new SegmentationTask(), model));
        evaluator.Add(new(image, new MaskTargets(labels), [0]));
        using var outside = Torch.NoGrad();
        var scores = model.Call(image);
        var expected = new PixelConfusion(3);
        expected.Add(scores.ResizeTo(8, 8).Argmax(1), labels);
        Assert.Equal(expected.Measure().Confusion, evaluator.Measure().Scores.Confusion);
        var windows = new SegmentationEvaluator(3, new(new SegmentationTask(SegmentationMode.Slide, [16]), model));
        var error = Assert.Throws<RunException>(() => windows.Add(new(image, new MaskTargets(labels), [0])));
        Assert.Contains("label maps of 8x8 cannot be measured with images of 32x32 in windows", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_class_that_only_the_model_has_is_a_wrong_answer_and_no_class_of_the_mean()
    {
        using var scope = new Scope();
        var confusion = new PixelConfusion(3);
        confusion.Add(Tensor.From([0L, 0, 1, 2], 1, 4), Tensor.From([0L, 0, 1, 1], 1, 4));
        Assert.Equal((1 + 0.5 + 0) / 3, confusion.Measure().MeanIou, 1e-12);
        var own = confusion.Measure(labelled: 2);
        Assert.Equal((1 + 0.5) / 2, own.MeanIou, 1e-12);
        Assert.Equal(0.75, own.PixelAccuracy, 1e-12);
        Assert.True(double.IsNaN(own.Iou[2]) && double.IsNaN(own.Dice[2]));
        // Data that has it after all counts it.
        confusion.Add(Tensor.From([2L], 1, 1), Tensor.From([2L], 1, 1));
        Assert.Equal(0.5, confusion.Measure(labelled: 2).Iou[2], 1e-12);
    }

    [Fact]
    public void A_recipe_says_mean_and_deviation()
    {
        using var folder = new TempFolder();
        const string yaml = """
            model: { name: segformer, width: 8, classes: 3, backbone: mit_micro_32 }
            data: { name: greys, batch: 2, mean: [0, 0, 0], std: [1, 1, 1] }
            objective: segmentation
            optimizer: { name: sgd, lr: 0 }
            schedule: { name: poly, steps: 1 }
            augment: []
            train: { threads: 1 }
            """;
        Datasets.Add(
            new("greys", "grey images", ["train", "test"], "greys", (split, _) =>
                new MemoryImages(
                    "greys",
                    split,
                    new LabelMaps(["a", "b"], 2, _ => new(new byte[64], new(8, 8))),
                    [.. Enumerable.Repeat((byte)51, 2 * 3 * 64)],
                    3,
                    8,
                    8,
                    new([0.5f, 0.5f, 0.5f], [0.5f, 0.5f, 0.5f])
                )
            )
        );
        using (var experiment = Experiment.Begin(folder.Write("r.yaml", yaml), [], folder["run"]))
        {
            using var scope = new Scope();
            using var batch = new Loader(experiment.TrainData, experiment.Recipe.TrainingPipeline(), new(2)).Epoch(0).First();
            Assert.Equal(0.2, batch.Inputs.Min().ToDouble(), 1e-6);
            Assert.Equal(0.2, batch.Inputs.Max().ToDouble(), 1e-6);
            Assert.Equal(2, ((SegmentationFacts)experiment.Facts).Labelled);
            Assert.Equal(3, experiment.Facts.Classes.Count);
            experiment.Train();
        }
        var bundle = ModelBundle.Load(folder["run"]);
        Assert.Equal([0, 0, 0], bundle.Facts.Normalization!.Mean);
        Assert.Equal(2, ((SegmentationFacts)bundle.Facts).Labelled);
        Assert.Contains(
            "mean and std must be given together",
            Assert.Throws<RecipeException>(() => Recipe.Parse(yaml, "r.yaml", "data.std=null")).Message,
            StringComparison.Ordinal
        );
    }
}
