using Tessera.Data;
using Tessera.Distributed;

namespace Tessera.Training.Tasks.Detection;

/// <summary>
/// Measures a detector over a whole set as COCO does, each image at its original size. Of an image, what its detections count for and a few
/// figures are kept; masks are gone when it is measured. Threads may add at once.
/// </summary>
/// <param name="classes">Number of classes.</param>
/// <param name="inference">Finds the objects.</param>
/// <param name="masks">Whether masks are measured beside boxes, where all objects have some.</param>
/// <param name="threshold">Score from which detections are shown to people, by which mistakes are counted.</param>
public sealed class DetectionEvaluator(int classes, DetectionInference inference, bool masks, double threshold) : Evaluator
{
    // Mistakes that a report may show.
    private const int MostErrors = 24;

    private readonly CocoAveragePrecision boxes = new(classes);
    private readonly CocoAveragePrecision shapes = new(classes, masks: true);
    private readonly List<DetectedImage> images = [];
    private List<DetectionError> alarms = [],
        misses = [];
    private volatile bool measuresMasks = masks;

    /// <inheritdoc/>
    public override void Add(Batch batch)
    {
        var truth = BoxTargets.Of(batch).Originals;
        foreach (var (place, found) in inference.Run(batch).Index())
            Add(batch.Indices[place], truth[place], found);
    }

    private void Add(int index, IReadOnlyList<ImageObject> truth, IReadOnlyList<DetectedObject> found)
    {
        boxes.Add(index, truth, found);
        // Data without masks measures boxes alone.
        if (truth.Any(one => one is { IsTrained: true, Mask: null }))
            measuresMasks = false;
        if (measuresMasks)
            shapes.Add(index, [.. truth.Select(one => Shaped(one, found))], found);
        var findings = ImageFindings.Of(index, truth, found.Where(one => one.Score >= threshold));
        lock (images)
        {
            images.Add(findings.Image);
            alarms = Worst(alarms.Concat(findings.Errors.Where(error => error.Score is not null)));
            misses = Worst(misses.Concat(findings.Errors.Where(error => error.Score is null)));
        }
    }

    // A group, or what is ignored, may have a box alone: it counts neither way, and its place is the box.
    private static ImageObject Shaped(ImageObject one, IReadOnlyList<DetectedObject> found)
    {
        if (one.Mask is not null || found is not [{ Mask.Size: var size }, ..])
            return one with { Mask = one.Mask ?? Nothing };
        var (left, top) = ((int)Math.Clamp(one.Box.Left, 0, size.Width), (int)Math.Clamp(one.Box.Top, 0, size.Height));
        var (right, bottom) = ((int)Math.Clamp(one.Box.Right, 0, size.Width), (int)Math.Clamp(one.Box.Bottom, 0, size.Height));
        var pixels = new byte[size.Height * size.Width];
        for (var y = top; y < bottom; y++)
            pixels.AsSpan(y * size.Width + left, Math.Max(0, right - left)).Fill(1);
        return one with { Mask = InstanceMask.FromBitmap(size, pixels) };
    }

    // Nothing is compared with it where nothing was found.
    private static InstanceMask Nothing { get; } = InstanceMask.FromCounts(new(1, 1), [1]);

    // The same whatever order images come in.
    private static List<DetectionError> Worst(IEnumerable<DetectionError> errors) =>
        [
            .. errors
                .OrderByDescending(error => error.Weight)
                .ThenBy(error => error.Index)
                .ThenBy(error => error.Box.Left)
                .ThenBy(error => error.Box.Top)
                .Take(MostErrors),
        ];

    /// <inheritdoc/>
    public override void Join(ProcessGroup group)
    {
        boxes.Join(group);
        measuresMasks = !group.Any(!measuresMasks);
        if (measuresMasks)
            shapes.Join(group);
        var counts = Gather(group, images.Select(image => (double[])[image.Index, image.Objects, image.Found, image.FalseAlarms]), 4);
        images.Clear();
        images.AddRange(counts.Select(row => new DetectedImage((int)row[0], (int)row[1], (int)row[2], (int)row[3])));
        alarms = Worst(Gather(group, alarms.Select(Row), 7).Select(Error));
        misses = Worst(Gather(group, misses.Select(Row), 7).Select(Error));

        static double[] Row(DetectionError one) =>
            [one.Index, one.Class, one.Score ?? -1, one.Box.Left, one.Box.Top, one.Box.Right, one.Box.Bottom];

        static DetectionError Error(double[] row) =>
            new((int)row[0], new(row[3], row[4], row[5], row[6]), (int)row[1], row[2] < 0 ? null : row[2]);
    }

    // The rows of all processes, by rank.
    private static double[][] Gather(ProcessGroup group, IEnumerable<double[]> own, int width)
    {
        using var scope = new Scope();
        double[] rows = [.. own.SelectMany(row => row)];
        var counts = group.AllGather(Tensor.Of((long)(rows.Length / width))).ToArray<long>();
        var most = (int)counts.Max();
        if (most == 0)
            return [];
        Array.Resize(ref rows, most * width);
        var all = group.AllGather(Tensor.From(rows)).ToArray<double>();
        return
        [
            .. counts.SelectMany(
                (count, rank) => Enumerable.Range(0, (int)count).Select(i => all.AsSpan((rank * most + i) * width, width).ToArray())
            ),
        ];
    }

    /// <inheritdoc/>
    public override DetectionMetrics Measure()
    {
        if (images.Count == 0)
            throw new InvalidOperationException("there are no samples to measure");
        return new(images.Count, boxes.Measure(), measuresMasks ? shapes.Measure() : null)
        {
            Images = [.. images.OrderBy(image => image.Index)],
            FalseAlarms = alarms,
            Misses = misses,
        };
    }
}
