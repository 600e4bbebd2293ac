using Tessera.Data.Imaging;
using Tessera.Data.Transforms;
using Tessera.Training.Tasks.Detection;

namespace Tessera.Training.Tests.Detection;

/// <summary>What a detector finds is measured at the pixels of the originals, whatever transforms the images went through.</summary>
[Collection("engine")]
public sealed class DetectionMeasuringTests
{
    public static TheoryData<string> Preparations => [.. prepared.Keys];

    private static readonly Dictionary<string, Transform[]> prepared = new()
    {
        ["as they are"] = [],
        ["smaller"] = [new ResizeWithin(36)],
        ["larger, of another ratio"] = [new Squash(96, Width: 72)],
        ["mirrored"] = [new RandomHorizontalFlip(1)],
        ["overturned"] = [new RandomVerticalFlip(1)],
        ["mirrored, overturned and larger"] = [new RandomHorizontalFlip(1), new ResizeWithin(96), new RandomVerticalFlip(1)],
        ["padded in the image"] = [new Pad(80, 70)],
        ["padded in the batch"] = [new PadBatch(32)],
        ["smaller, mirrored and padded"] = [new ResizeWithin(40), new RandomHorizontalFlip(1), new Pad(64), new PadBatch(48)],
        ["out of a larger frame"] = [new CenterCrop(72)],
    };

    [Theory]
    [MemberData(nameof(Preparations))]
    public void Whoever_finds_all_objects_in_prepared_images_has_a_precision_of_1(string preparation)
    {
        using var scope = new Scope();
        var images = Triangles.Images(
            [Triangles.In(new(4, 6, 24, 30), 0), Triangles.In(new(30, 10, 60, 40), 2)],
            [],
            [Triangles.In(new(0, 0, 30, 20), 1), Triangles.In(new(34, 24, 64, 48), 1), Triangles.In(new(8, 26, 28, 46), 0)]
        );
        var oracle = new Oracle(masks: true);
        oracle.Eval();
        var batch = Triangles.Batch(images, prepared[preparation]);
        oracle.Learn(batch);
        var evaluator = new DetectionEvaluator(3, oracle.Inference, masks: true, threshold: 0.5);
        evaluator.Add(batch);
        var metrics = evaluator.Measure();
        Assert.Equal(1, metrics.Boxes.Ap, 1e-9);
        // A mask of few cells is a little coarser than the object.
        Assert.Equal(1, metrics.Masks!.Ap50, 1e-9);
        Assert.InRange(metrics.Masks.Ap75, 0.99, 1.0 + 1e-9);
        Assert.Equal(3, metrics.Count);
        Assert.Equal([(2, 2, 0), (0, 0, 0), (3, 3, 0)], metrics.Images.Select(one => (one.Objects, one.Found, one.FalseAlarms)));
        Assert.Empty(metrics.Misses);
        Assert.Empty(metrics.FalseAlarms);
    }

    [Fact]
    public void What_a_crop_cuts_off_is_missed_and_masks_end_at_its_edge()
    {
        using var scope = new Scope();
        // Of the 64 columns, 8 to 56 are seen; the image is padded to 64 again.
        var images = Triangles.Images([Triangles.In(new(40, 8, 60, 28), 0), Triangles.In(new(57, 30, 63, 40), 0)]);
        var oracle = new Oracle(masks: true);
        oracle.Eval();
        var batch = Triangles.Batch(images, new CenterCrop(48), new Pad(64));
        oracle.Learn(batch);
        var found = Assert.Single(oracle.Inference.Run(batch)[0]);
        double[] expected = [40, 8, 56, 28];
        foreach (var (edge, value) in expected.Zip((double[])[found.Box.Left, found.Box.Top, found.Box.Right, found.Box.Bottom]))
            Assert.Equal(edge, value, 1e-9);
        Assert.InRange(found.Mask!.Bounds.Right, 50, 56);
        oracle.Learn(batch);
        var evaluator = new DetectionEvaluator(3, oracle.Inference, masks: true, threshold: 0.5);
        evaluator.Add(batch);
        var missed = Assert.Single(evaluator.Measure().Misses);
        Assert.Equal((57.0, (double?)null), (missed.Box.Left, missed.Score));
    }

    [Fact]
    public void Images_without_objects_count_and_their_false_alarms_lower_precision()
    {
        using var scope = new Scope();
        var images = Triangles.Images([Triangles.In(new(4, 6, 24, 30), 0)], []);
        var oracle = new Oracle();
        oracle.Eval();
        var batch = Triangles.Batch(images);
        oracle.Learn(batch);
        var (right, _) = (oracle.Known.Dequeue(), oracle.Known.Dequeue());
        oracle.Known.Enqueue(right with { Scores = Tensor.From([0.6f], 1) });
        oracle.Known.Enqueue(right);
        var evaluator = new DetectionEvaluator(3, oracle.Inference, masks: false, threshold: 0.5);
        evaluator.Add(batch);
        var metrics = evaluator.Measure();
        Assert.Equal((2, 0.5), (metrics.Count, Math.Round(metrics.Boxes.Ap, 9)));
        Assert.Null(metrics.Masks);
        var alarm = Assert.Single(metrics.FalseAlarms);
        Assert.Equal((1, 0.9, 0), (alarm.Index, Math.Round(alarm.Score!.Value, 6), alarm.Class));
        Assert.Equal([1.0, 0.0], metrics.Images.Select(image => image.F1));
    }

    [Fact]
    public void Groups_and_ignored_objects_count_neither_way_and_data_without_masks_measures_boxes()
    {
        using var scope = new Scope();
        var images = Triangles.Images([
            new ImageObject(new(4, 6, 24, 30), 0),
            new ImageObject(new(30, 10, 60, 40), 0, IsCrowd: true),
            new ImageObject(new(2, 34, 20, 46), 1, IsIgnored: true),
        ]);
        var oracle = new Oracle();
        oracle.Eval();
        var batch = Triangles.Batch(images);
        oracle.Learn(batch);
        var evaluator = new DetectionEvaluator(3, oracle.Inference, masks: true, threshold: 0.5);
        evaluator.Add(batch);
        var metrics = evaluator.Measure();
        Assert.Equal(1, metrics.Boxes.Ap, 1e-9);
        Assert.Null(metrics.Masks);
        Assert.Equal((1, 1, 0), (metrics.Images[0].Objects, metrics.Images[0].Found, metrics.Images[0].FalseAlarms));
    }

    [Fact]
    public void Answers_do_not_depend_on_the_other_images_of_a_batch()
    {
        using var scope = new Scope();
        var seen = new List<string>();
        var oracle = new Oracle();
        var images = Triangles.Images([Triangles.In(new(4, 6, 24, 30), 0)], [Triangles.In(new(8, 6, 24, 30), 1)]);
        var batch = Triangles.Batch(images, new PadBatch(64));
        Assert.Equal([new ImageSize(Triangles.Height, Triangles.Width), new(Triangles.Height, Triangles.Width)], batch.Views[0].Sizes!);
        oracle.Eval();
        oracle.Learn(batch);
        // The batch has 64x64 pixels; each image alone 48x64, which is a multiple of 32 in width alone.
        foreach (var own in oracle.Inference.Run(batch))
            seen.Add($"{Assert.Single(own).Box}");
        Assert.Equal([$"{new ObjectBox(4, 6, 24, 30)}", $"{new ObjectBox(8, 6, 24, 30)}"], seen);
    }

    // A byte for each pixel of each mask would be 1.2 GB.
    [Fact]
    public void A_hundred_masks_of_a_large_image_take_little_memory()
    {
        using var scope = new Scope();
        const int Masks = 100,
            Cells = 28;
        var oracle = new Oracle(masks: true);
        oracle.Eval();
        float[] boxes = [.. Enumerable.Range(0, Masks).SelectMany(i => (float[])[i, i, 240 + i % 16, 180 + i % 12])];
        oracle.Known.Enqueue(
            new(
                Tensor.From(boxes, Masks, 4),
                Torch.Full([Masks], 0.5),
                Torch.Zeros([Masks], DType.Int64),
                Torch.Rand([Masks, Cells, Cells]) * 0.2 + 0.5
            )
        );
        PreparedImage origin = new(ImageView.Full, ImageView.Full, new(3000, 4000));
        var before = GC.GetAllocatedBytesForCurrentThread();
        var found = oracle.Inference.Run(Torch.Zeros([1, 3, 192, 256]), [origin])[0];
        Assert.Equal(Masks, found.Count);
        Assert.All(found, one => Assert.True(one.Mask!.Area > 0));
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 64 << 20);
    }
}
