using Tessera.Data.Transforms;
using Tessera.Models;
using Tessera.Training.Objectives;
using Tessera.Training.Tasks.Detection;

namespace Tessera.Training.Tests.Detection;

/// <summary>What a detector learns from.</summary>
[Collection("engine")]
public sealed class DetectionLearningTests
{
    private static readonly Progress start = new(0, 1, 0, 1);

    [Fact]
    public void Losses_are_added_and_groups_and_ignored_objects_are_left_out()
    {
        using var scope = new Scope();
        var images = Triangles.Images(
            [Triangles.In(new(4, 6, 24, 30), 2), Triangles.In(new(30, 10, 60, 40), 0, isCrowd: true), Triangles.In(new(2, 34, 20, 46), 1)],
            [],
            [Triangles.In(new(2, 34, 20, 46), 1, isIgnored: true)]
        );
        var oracle = new Oracle(masks: true);
        var loss = new DetectionLearning(oracle).Compute(Triangles.Batch(images, new ResizeWithin(96), new PadBatch(32)), start);
        Assert.Equal(2.5, loss.Total.ToDouble(), 1e-6);
        Assert.Equal(["loss_cls", "loss_bbox"], loss.Parts.Keys);
        Assert.Equal(new Score(2, 3), loss.Scores["without_objects"]);
        Assert.Equal(new Score(2, 4), loss.Scores["left_out"]);
        Assert.Equal([2L, 0, 0], oracle.Seen.Select(one => one.Boxes.Size(0)));
        Assert.All(oracle.Seen, one => Assert.Equal((96, 128), one.Size));
        Assert.Equal([8f, 12, 48, 60, 4, 68, 40, 92], oracle.Seen[0].Boxes.ToArray<float>());
        Assert.Equal([2L, 1], oracle.Seen[0].Classes.ToArray<long>());
    }

    [Fact]
    public void Masks_lie_where_the_boxes_do()
    {
        using var scope = new Scope();
        var images = Triangles.Images([Triangles.In(new(4, 6, 24, 30), 2), Triangles.In(new(30, 10, 60, 40), 0)]);
        var batch = Triangles.Batch(images, new RandomHorizontalFlip(1), new PadBatch(64));
        var learned = LearnedObjects.Of(batch, masks: true).PerImage[0];
        Assert.Equal((Triangles.Height, Triangles.Width), learned.Size);
        Assert.Equal([2L, 64, 64], learned.Masks!.Shape.ToArray());
        var pixels = learned.Masks.ToArray<byte>();
        // Mirrored: the box from 4 to 24 lies from 40 to 60, and its triangle has its corner on the right.
        Assert.Equal((0, 1), (pixels[7 * 64 + 41], pixels[29 * 64 + 41]));
        Assert.Equal((1, 0), (pixels[7 * 64 + 59], pixels[29 * 64 + 61]));
        Assert.Null(LearnedObjects.Of(batch, masks: false).PerImage[0].Masks);
    }

    [Fact]
    public void The_head_may_learn_faster_and_masks_need_masks()
    {
        using var scope = new Scope();
        var learning = new DetectionLearning(new Oracle(), headScale: 10);
        Assert.Equal(
            (1, 10),
            (learning.LearningRateScale("backbone.blocks.0.norm1.weight"), learning.LearningRateScale("neck.conv.weight"))
        );
        Assert.False(learning.MeanOverSamples);
        var boxes = Triangles.Images([new ImageObject(new(4, 6, 24, 30), 2)]);
        var context = new ObjectiveContext(new Oracle(masks: true), Device.Cpu) { Data = boxes };
        var refused = Assert.Throws<ArgumentException>(() => new DetectionOptions().Create(context));
        Assert.Contains("the model learns masks, and triangles (test) has objects without", refused.Message, StringComparison.Ordinal);
        var classifier = new ObjectiveContext(Registry.Create("vit_micro_patch4_32", new()), Device.Cpu);
        Assert.Contains(
            "needs a model with a head for detection",
            Assert.Throws<ArgumentException>(() => new DetectionOptions().Create(classifier)).Message,
            StringComparison.Ordinal
        );
    }
}
