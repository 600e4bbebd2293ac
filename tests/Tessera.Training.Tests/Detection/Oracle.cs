using Tessera.Data.Images;
using Tessera.Data.Imaging;
using Tessera.Data.Loading;
using Tessera.Data.Transforms;
using Tessera.Models;
using Tessera.Training.Tasks.Detection;

namespace Tessera.Training.Tests.Detection;

/// <summary>A detector that finds what it is told, whatever it sees; its losses are told as well.</summary>
internal sealed class Oracle : Detector
{
    // A cell of a mask for each of so many pixels of the side of a box.
    private const int MaskSide = 56;

    private readonly bool masks;

    internal Oracle(bool masks = false)
        : base(Registry.Create("mit_micro_32", new() { Classes = 3 })) => this.masks = masks;

    /// <summary>What it finds in the images that it is given next, in their order.</summary>
    internal Queue<Detections> Known { get; } = [];

    /// <summary>The targets that it was last trained with.</summary>
    internal IReadOnlyList<DetectorTargets> Seen { get; private set; } = [];

    public override bool HasMasks => masks;

    public override int Classes => 3;

    public override void ResetClassifier(int classes) => throw new NotSupportedException("an oracle has no classifier");

    protected override IReadOnlyList<string> ClassifierPaths => [];

    protected override int ScoresPerAnchor => 1;

    protected override DenseOutputs ForwardDense(IReadOnlyList<Tensor> maps) => new([], [], []);

    protected override OrderedDictionary<string, Tensor> ForwardLosses(
        DenseOutputs dense,
        (int Height, int Width) image,
        IReadOnlyList<DetectorTargets> targets
    )
    {
        Seen = [.. targets.Select(one => one with { Boxes = one.Boxes.Clone().Keep(), Classes = one.Classes.Clone().Keep() })];
        return new() { ["loss_cls"] = Tensor.Of(2.0f), ["loss_bbox"] = Tensor.Of(0.5f) };
    }

    protected override IReadOnlyList<Detections> ForwardDetections(
        DenseOutputs dense,
        (int Height, int Width) image,
        IReadOnlyList<(int Height, int Width)> sizes
    ) => [.. sizes.Select(_ => Known.Dequeue())];

    /// <summary>Learns by heart what a loader's batch shows, in the order in which the batch is asked about.</summary>
    internal void Learn(Batch batch)
    {
        using var scope = new Scope();
        var targets = BoxTargets.Of(batch);
        var (boxes, classes) = (targets.Boxes.ToArray<float>(), targets.Classes.ToArray<long>());
        var bitmaps = masks ? targets.Bitmaps()! : null;
        var padded = new ImageSize((int)batch.Inputs.Size(2), (int)batch.Inputs.Size(3));
        foreach (var place in Enumerable.Range(0, batch.Count).GroupBy(i => batch.Views[0].Sizes?[i] ?? padded).SelectMany(same => same))
        {
            var (first, end) = (targets.Offsets[place], targets.Offsets[place + 1]);
            var count = end - first;
            var found = new Detections(
                Tensor.From(boxes[(4 * first)..(4 * end)], count, 4),
                Tensor.From([.. Enumerable.Range(0, count).Select(i => 0.9f - 0.01f * i)], count),
                Tensor.From(classes[first..end], count),
                bitmaps is null ? null : Cells(bitmaps, boxes, first, end)
            );
            foreach (var tensor in found.Tensors)
                tensor.Keep();
            Known.Enqueue(found);
        }
    }

    // The value of the pixel under the centre of each cell of a box.
    private static Tensor Cells(Tensor bitmaps, float[] boxes, int first, int end)
    {
        var (height, width) = ((int)bitmaps.Size(1), (int)bitmaps.Size(2));
        var pixels = bitmaps.ToArray<byte>();
        var cells = new float[(end - first) * MaskSide * MaskSide];
        for (var row = first; row < end; row++)
        for (var y = 0; y < MaskSide; y++)
        for (var x = 0; x < MaskSide; x++)
        {
            var (left, top, right, bottom) = (boxes[4 * row], boxes[4 * row + 1], boxes[4 * row + 2], boxes[4 * row + 3]);
            var column = Math.Clamp((int)(left + (x + 0.5) / MaskSide * (right - left)), 0, width - 1);
            var line = Math.Clamp((int)(top + (y + 0.5) / MaskSide * (bottom - top)), 0, height - 1);
            cells[((row - first) * MaskSide + y) * MaskSide + x] = pixels[(row * height + line) * width + column];
        }
        return Tensor.From(cells, end - first, MaskSide, MaskSide);
    }

    internal DetectionInference Inference => new(this);
}

/// <summary>Grey images with objects that are triangles, so that masks tell the directions apart.</summary>
internal static class Triangles
{
    internal const int Height = 48,
        Width = 64;

    internal static IReadOnlyList<string> Classes { get; } = ["red", "green", "blue"];

    /// <summary>The object in a box: what lies below the diagonal from the upper left.</summary>
    internal static ImageObject In(ObjectBox box, int label, bool isCrowd = false, bool isIgnored = false)
    {
        var pixels = new byte[Height * Width];
        for (var y = (int)box.Top; y < box.Bottom; y++)
        for (var x = (int)box.Left; x < box.Right; x++)
            if ((x + 0.5 - box.Left) / box.Width <= (y + 0.5 - box.Top) / box.Height)
                pixels[y * Width + x] = 1;
        return new(box, label, IsCrowd: isCrowd, IsIgnored: isIgnored, Mask: InstanceMask.FromBitmap(new(Height, Width), pixels));
    }

    internal static MemoryImages Images(params IReadOnlyList<ImageObject>[] objects) =>
        new(
            "triangles",
            "test",
            new ObjectBoxes(Classes, objects),
            new byte[objects.Length * 3 * Height * Width],
            3,
            Height,
            Width,
            new([0.5f, 0.5f, 0.5f], [0.25f, 0.25f, 0.25f])
        );

    /// <summary>All samples in one batch.</summary>
    internal static Batch Batch(MemoryImages images, params Transform[] transforms) =>
        new Loader(images, new(transforms), new(images.Count) { Workers = 0, Sampler = new InOrder() }).Epoch(0).Single();
}
