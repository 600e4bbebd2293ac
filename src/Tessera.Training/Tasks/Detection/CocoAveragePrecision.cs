using Tessera.Data;
using Tessera.Distributed;

namespace Tessera.Training.Tasks.Detection;

/// <summary>
/// Average precision and recall of boxes or masks, as COCO's evaluation code (pycocotools 2.0) computes them. Images are added one at a
/// time, by several threads if need be. Of each detection that counts (of a class in an image the best 100) 40 bytes are kept until the
/// end, of objects only their number: 20 MB for 5,000 images with 100 detections each.
/// </summary>
public sealed class CocoAveragePrecision
{
    private readonly int classes;
    private readonly bool masks;
    private readonly IReadOnlyList<double> thresholds;
    private readonly CocoMatching matching;
    private readonly RankedDetections ranked;

    /// <summary>Without any image.</summary>
    /// <param name="classes">Number of classes.</param>
    /// <param name="masks">Whether masks are compared, and not boxes.</param>
    /// <param name="thresholds">Thresholds of the overlap, ascending, from above 0 to 1; 0.5, 0.55, ..., 0.95 by default.</param>
    /// <exception cref="ArgumentException">No class, no threshold, more than 16, or one outside of its range or order.</exception>
    public CocoAveragePrecision(int classes, bool masks = false, IReadOnlyList<double>? thresholds = null)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(classes, 1);
        (this.classes, this.masks, this.thresholds) = (classes, masks, thresholds ?? CocoRules.Thresholds);
        if (this.thresholds.Count < 1 || this.thresholds.Count > CocoMatching.MostThresholds)
            throw new ArgumentException(
                $"{this.thresholds.Count} thresholds of the overlap: there must be from 1 to {CocoMatching.MostThresholds}",
                nameof(thresholds)
            );
        for (var i = 0; i < this.thresholds.Count; i++)
            if (this.thresholds[i] is not (> 0 and <= 1) || (i > 0 && this.thresholds[i] <= this.thresholds[i - 1]))
                throw new ArgumentException(
                    $"threshold {this.thresholds[i]} of the overlap: thresholds must be above 0, at most 1, and ascend",
                    nameof(thresholds)
                );
        (matching, ranked) = (new(this.thresholds), new(classes, CocoRules.Areas.Count));
    }

    /// <summary>Adds an image.</summary>
    /// <param name="image">
    /// Its number. Equal scores of different images are ordered by it, as COCO orders images by their ids, so that figures are the same
    /// whatever order images come in.
    /// </param>
    /// <param name="truth">All objects in the image, in the order of their source.</param>
    /// <param name="detections">What was found, in any order; of equal scores the first comes first.</param>
    /// <exception cref="DataException">
    /// An unknown class, a score that is no number, an image that was added before, or a mask that is missing. A group, or what is ignored,
    /// may lack its mask: it is compared by its box then.
    /// </exception>
    public void Add(long image, IReadOnlyList<ImageObject> truth, IReadOnlyList<DetectedObject> detections)
    {
        if (masks && truth.Any(one => one.IsTrained && one.Mask is null))
            throw new DataException($"image {image}: an object has no mask, and masks are measured");
        if (masks && detections.Any(one => one.Mask is null))
            throw new DataException($"image {image}: a detection has no mask, and masks are measured");
        ranked.Add(
            image,
            truth,
            detections,
            (own, found) => Match(image, own, found.Length > CocoRules.MostDetections ? found[..CocoRules.MostDetections] : found),
            (one, kind) => CocoMatching.Counts(one, CocoRules.Areas[kind])
        );
    }

    private IEnumerable<RankedDetection> Match(long image, ImageObject[] truth, DetectedObject[] found)
    {
        if (!masks)
            return matching.Match(image, truth, found, [.. found.Select(one => one.BoxArea ?? one.Box.Area)], (d, g) =>
                Overlap.OfBoxes(found[d], truth[g])
            );
        // Masks of polygons would be drawn anew for every pair.
        truth = [.. truth.Select(one => one with { Mask = one.Mask?.AsRuns() })];
        found = [.. found.Select(one => one with { Mask = one.Mask!.AsRuns() })];
        ObjectBox[] around = [.. found.Select(one => one.Mask!.Bounds)],
            aroundTruth = [.. truth.Select(one => one.Mask?.Bounds ?? one.Box)];
        return matching.Match(
            image,
            truth,
            found,
            // Where results give a box, pycocotools takes its area, also of masks.
            [.. found.Select(one => one.BoxArea ?? one.Mask!.Area)],
            // Masks are walked through only where their boxes touch.
            (d, g) => around[d].Iou(aroundTruth[g]) > 0 ? Overlap.OfMasks(found[d], truth[g]) : 0
        );
    }

    /// <summary>Adds what the other processes have gathered; all have the same afterwards.</summary>
    /// <param name="group">The processes.</param>
    /// <exception cref="DataException">Two processes have added the same image.</exception>
    public void Join(ProcessGroup group) => ranked.Join(group);

    /// <summary>All figures of the images so far.</summary>
    public CocoScores Measure() => new(classes, thresholds, ranked);
}
