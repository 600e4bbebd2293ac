using System.Text.Json;
using Tessera.Data.Images;
using Tessera.Data.Imaging;
using Tessera.Data.Transforms;
using Tessera.Models;
using Tessera.Training.Tasks;
using Tessera.Training.Tasks.Detection;

namespace Tessera.Training.Tests.Detection;

/// <summary>The task: its preparation, its facts, its answers and their forms.</summary>
[Collection("engine")]
public sealed class DetectionTaskTests
{
    private static MemoryImages Data(IReadOnlyList<long?>? categories = null) =>
        new(
            "triangles",
            "train",
            new ObjectBoxes(
                Triangles.Classes,
                [
                    [new(new(4, 6, 24, 30), 2), new(new(1, 1, 9, 9), 0, IsCrowd: true)],
                    [],
                ]
            )
            {
                CategoryIds = categories,
            },
            new byte[2 * 3 * Triangles.Height * Triangles.Width],
            3,
            Triangles.Height,
            Triangles.Width,
            new([0.5f, 0.5f, 0.5f], [0.25f, 0.25f, 0.25f])
        );

    [Fact]
    public void Boxes_make_the_task_and_its_preparation_is_said()
    {
        Assert.IsType<DetectionTask>(TaskKind.DefaultFor(Data()));
        var (task, facts) = (new DetectionTask(), (DetectionFacts)new DetectionTask().FactsOf(Data()));
        var published = task.EvaluationPipeline(new Oracle(), facts, new(null));
        Assert.Equal([new ResizeWithin(800, 1333), new PadBatch(32)], published.Transforms);
        Transform[] own = [new Squash(64), new PadBatch(64)];
        Assert.Equal(own, task.EvaluationPipeline(new Oracle(), facts, new(own)).Transforms);
        var small = new DetectionTask(Size: [240, 320]);
        Assert.Equal(new ResizeWithin(240, 320), small.EvaluationPipeline(new Oracle(), facts, new(null)).Transforms[0]);
        Assert.Equal(
            [
                "evaluation.transforms are not given: images are measured with a shorter side of 240 pixels, and a longer one "
                    + "of at most 320 (task.size)",
                "1 of 2 objects of train are groups or ignored: nothing is learned from them",
                "1 of 2 images of train have no objects: they are learned from as background",
            ],
            small.Remarks(Data(), new(null))
        );
        Assert.Throws<ArgumentException>(() => new DetectionTask(Size: [320, 240]));
    }

    [Fact]
    public void Facts_have_a_colour_and_perhaps_a_number_for_each_class()
    {
        var facts = (DetectionFacts)new DetectionTask().FactsOf(Data([7, 3, 90]));
        Assert.Equal([7L, 3, 90], Enumerable.Range(0, 3).Select(facts.CategoryOf));
        Assert.True(facts.HasCategories);
        Assert.Equal(3, facts.Palette.Distinct().Count());
        var more = (DetectionFacts)facts.WithFurther(["other"]);
        Assert.Equal((4, 4, false), (more.Palette.Count, more.CategoryIds!.Count, more.HasCategories));
        Assert.Equal(4, more.CategoryOf(3));
        Assert.Equal(2, ((DetectionFacts)new DetectionTask().FactsOf(Data())).CategoryOf(1));
        var json = JsonSerializer.Serialize(facts, Runs.RunFolder.Json);
        var again = JsonSerializer.Deserialize<DetectionFacts>(json, Runs.RunFolder.Json)!;
        Assert.Equal((facts.CategoryOf(2), facts.Palette[1]), (again.CategoryOf(2), again.Palette[1]));
    }

    [Fact]
    public void Other_models_and_scores_alone_are_refused()
    {
        var task = new DetectionTask();
        Assert.Contains(
            "is a backbone, and task detection needs a detector over one",
            Assert.Throws<RunException>(() => task.CreateModel(new("vit_micro_patch4_32", new() { Classes = 3 }))).Message,
            StringComparison.Ordinal
        );
        Assert.Contains(
            "finds no objects",
            Assert
                .Throws<RunException>(() => task.CreateModel(new("mit_micro_32", new() { Classes = 3 }, new SegFormerOptions(8))))
                .Message,
            StringComparison.Ordinal
        );
        using var scope = new Scope();
        Assert.Contains(
            "boxes need the image",
            Assert.Throws<RunException>(() => task.Interpret("a.png", Torch.Zeros([1, 3]), task.FactsOf(Data()), 5)).Message,
            StringComparison.Ordinal
        );
    }

    [Fact]
    public void Objects_above_the_threshold_are_shown_and_all_are_written_in_the_form_of_COCO()
    {
        var mask = Triangles.In(new(4, 6, 24, 30), 2).Mask;
        DetectedObject[] objects = [new(new(4, 6, 24, 30), 2, 0.75, mask), new(new(0.5, 1.25, 9, 9), 0, 0.125)];
        var facts = (DetectionFacts)new DetectionTask().FactsOf(Data([7, 3, 90]));
        var prediction = DetectionPrediction.Of("a.png", new(Triangles.Height, Triangles.Width), objects, facts, 0.5);
        var shown = Assert.Single(prediction.Classes);
        Assert.Equal(("blue", 2, 0.75, new ObjectBox(4, 6, 24, 30)), (shown.Class, shown.Label, shown.Probability, shown.Box!.Value));
        using var file = new MemoryStream();
        using (var writer = new DetectionTask().CreateResultWriter(facts, file)!)
        {
            Assert.Null(writer.Remark);
            writer.Write(42, prediction);
            writer.Write(43, prediction with { Objects = [] });
        }
        var written = JsonDocument.Parse(file.ToArray()).RootElement.EnumerateArray().ToArray();
        Assert.Equal(2, written.Length);
        Assert.All(written, one => Assert.Equal(42, one.GetProperty("image_id").GetInt64()));
        Assert.Equal([90L, 7], written.Select(one => one.GetProperty("category_id").GetInt64()));
        Assert.Equal([0.5, 1.25, 8.5, 7.75], written[1].GetProperty("bbox").EnumerateArray().Select(value => value.GetDouble()));
        var shape = written[0].GetProperty("segmentation");
        Assert.Equal([Triangles.Height, Triangles.Width], shape.GetProperty("size").EnumerateArray().Select(side => side.GetInt32()));
        Assert.Equal(
            mask!.ToCounts(),
            InstanceMask.FromText(new(Triangles.Height, Triangles.Width), shape.GetProperty("counts").GetString()!).ToCounts()
        );
        Assert.False(written[1].TryGetProperty("segmentation", out _));
    }

    [Fact]
    public void Pictures_show_boxes_masks_and_names()
    {
        var pictures = new DetectionPictures(Triangles.Classes, [(255, 0, 0), (0, 255, 0), (0, 0, 255)]);
        var image = new Raster(3, Triangles.Height, Triangles.Width);
        image.Values.Fill(100);
        var size = new ImageSize(Triangles.Height, Triangles.Width);
        var plain = pictures.Draw(image, size, [], 0);
        Assert.Equal(image.Values.ToArray(), plain.Values.ToArray());
        var one = Triangles.In(new(20, 24, 44, 44), 2);
        var drawn = pictures.Draw(image, size, [ShownObject.Of(one)], 0);
        // The frame, the tint below the diagonal, and nothing above it.
        Assert.Equal((0, 0, 255), Pixel(30, 20));
        Assert.Equal((55, 55, 170), Pixel(40, 24));
        Assert.Equal((100, 100, 100), Pixel(28, 40));
        Assert.Equal((100, 100, 100), Pixel(46, 60));
        // A box over the edge, and one of no size, are drawn where they can be.
        pictures.Draw(image, size, [new(new(-5, -5, 200, 200), 0, 0.5), new(new(64, 48, 64, 48), 1)], 0);
        Assert.Equal(
            (2 * Triangles.Height, 2 * Triangles.Width),
            (pictures.Draw(image, size, [], 128).Height, pictures.Draw(image, size, [], 128).Width)
        );

        (int R, int G, int B) Pixel(int y, int x) => (drawn.Row(0, y)[x], drawn.Row(1, y)[x], drawn.Row(2, y)[x]);
    }
}
