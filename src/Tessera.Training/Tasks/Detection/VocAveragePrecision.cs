using Tessera.Data;
using Tessera.Distributed;

namespace Tessera.Training.Tasks.Detection;

/// <summary>How the average precision of a class comes from its precision and recall.</summary>
public enum VocForm
{
    /// <summary>Until 2009: the mean of the highest precision at a recall of at least 0, 0.1, ..., 1.</summary>
    ElevenPoints,

    /// <summary>Since 2010: the area under the highest precision at each recall or a higher one.</summary>
    Area,
}

/// <summary>
/// Average precision of boxes as Pascal VOC's development kit computes it. Images are added one at a time, by several threads if need be.
/// Of each detection 40 bytes are kept until the end.
/// </summary>
/// <remarks>
/// A detection belongs to the object of its class that it overlaps most, the first of several, whether it is free or not. Objects that are
/// ignored (difficult ones) count neither as missed nor, when they are found, as right or wrong; so do crowds. Boxes have edges between
/// pixels: a box that names its last pixel, as files of VOC do, reaches from the edge before its first pixel to that behind its last.
/// </remarks>
public sealed class VocAveragePrecision
{
    private readonly int classes;
    private readonly VocForm form;
    private readonly double threshold;
    private readonly RankedDetections ranked;

    /// <summary>Without any image.</summary>
    /// <param name="classes">Number of classes.</param>
    /// <param name="form">How precision becomes a figure.</param>
    /// <param name="threshold">Overlap from which an object is found, above 0 and at most 1.</param>
    public VocAveragePrecision(int classes, VocForm form = VocForm.Area, double threshold = 0.5)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(classes, 1);
        if (threshold is not (> 0 and <= 1))
            throw new ArgumentException($"threshold {threshold} of the overlap: it must be above 0 and at most 1", nameof(threshold));
        (this.classes, this.form, this.threshold, ranked) = (classes, form, threshold, new(classes, 1));
    }

    /// <summary>Adds an image.</summary>
    /// <param name="image">Its number, by which equal scores of different images are ordered.</param>
    /// <param name="truth">All objects in the image.</param>
    /// <param name="detections">What was found, in any order; of equal scores the first comes first.</param>
    /// <exception cref="DataException">An unknown class, a score that is no number, or an image that was added before.</exception>
    public void Add(long image, IReadOnlyList<ImageObject> truth, IReadOnlyList<DetectedObject> detections) =>
        ranked.Add(image, truth, detections, (own, found) => Match(image, own, found), (one, _) => one.IsTrained);

    private IEnumerable<RankedDetection> Match(long image, ImageObject[] truth, DetectedObject[] found)
    {
        var taken = new bool[truth.Length];
        foreach (var (rank, one) in found.Index())
        {
            var (most, match) = (0.0, -1);
            for (var g = 0; g < truth.Length; g++)
                if (one.Box.Iou(truth[g].Box) is var overlap && overlap > most)
                    (most, match) = (overlap, g);
            var hit = match >= 0 && most >= threshold;
            var isVoid = hit && !truth[match].IsTrained;
            var right = hit && !isVoid && !taken[match];
            if (right)
                taken[match] = true;
            yield return new(image, rank, one.Score, right ? 1UL : 0, isVoid ? 1UL : 0);
        }
    }

    /// <summary>Adds what the other processes have gathered; all have the same afterwards.</summary>
    /// <param name="group">The processes.</param>
    /// <exception cref="DataException">Two processes have added the same image.</exception>
    public void Join(ProcessGroup group) => ranked.Join(group);

    /// <summary>All figures of the images so far.</summary>
    public VocScores Measure() =>
        new(
            ranked.Images,
            form,
            threshold,
            [.. Enumerable.Range(0, classes).Select(label => VocClass.Of(form, ranked.Objects(label)[0], ranked.Ordered(label)))]
        );
}
