using Tessera.Data;
using Tessera.Distributed;
using Tessera.Models;
using Tessera.Models.Layers;

namespace Tessera.Training.Tasks.Segmentation;

/// <summary>
/// Measures a segmenter over a whole set. Only counts are kept, and a few figures of each image; the scores of an image exist at its full
/// size once, and in windows never. Threads may add at once.
/// </summary>
/// <param name="classes">Number of classes of the labels.</param>
/// <param name="inference">Segments images of any size.</param>
/// <param name="labelled">Number of classes that the labels are of, where the model has more; null for all.</param>
public sealed class SegmentationEvaluator(int classes, SegmentationInference inference, int? labelled = null) : Evaluator
{
    private readonly PixelConfusion confusion = new(classes);
    private readonly List<SegmentedImage> images = [];
    private double loss;
    private long pixels;

    /// <inheritdoc/>
    public override void Add(Batch batch)
    {
        using var outside = Torch.NoGrad();
        var labels = MaskTargets.Of(batch).Ids;
        for (var i = 0; i < batch.Count; i++)
        {
            using var scope = new Scope();
            Add(batch.Indices[i], batch.Inputs.Slice(0, i, i + 1), labels.Slice(0, i, i + 1));
        }
    }

    private void Add(int index, Tensor image, Tensor labels)
    {
        var own = new PixelConfusion(classes);
        var (sum, count) = (0.0, 0L);
        inference.Run(image, (labels.Size(1), labels.Size(2)), (row, band) =>
        {
            var truth = labels.Slice(1, row, row + band.Size(2));
            own.Add(band.Argmax(1), truth);
            sum += band.To(DType.Float32).CrossEntropyLoss(truth, null, reduction: 2, ignoreIndex: LabelMap.Ignored).ToDouble();
            count += truth.Ne(LabelMap.Ignored).Sum().ToInt64();
        });
        var scores = own.Measure(labelled);
        lock (images)
        {
            confusion.Add(own);
            images.Add(new(index, scores.PixelAccuracy, scores.MeanIou));
            loss += sum;
            pixels += count;
        }
    }

    /// <inheritdoc/>
    public override void Join(ProcessGroup group)
    {
        confusion.Join(group);
        var sums = group.Sum([loss, pixels]);
        (loss, pixels) = (sums[0], (long)sums[1]);
        using var scope = new Scope();
        var counts = group.AllGather(Tensor.Of((long)images.Count)).ToArray<long>();
        var most = (int)counts.Max();
        if (most == 0)
            return;
        var rows = new double[3 * most];
        foreach (var (i, image) in images.Index())
            (rows[3 * i], rows[3 * i + 1], rows[3 * i + 2]) = (image.Index, image.PixelAccuracy, image.MeanIou);
        var all = group.AllGather(Tensor.From(rows)).ToArray<double>();
        images.Clear();
        for (var rank = 0; rank < counts.Length; rank++)
        for (var i = 0; i < counts[rank]; i++)
        {
            var place = 3 * (rank * most + i);
            images.Add(new((int)all[place], all[place + 1], all[place + 2]));
        }
    }

    /// <inheritdoc/>
    public override SegmentationMetrics Measure()
    {
        if (images.Count == 0)
            throw new InvalidOperationException("there are no samples to measure");
        if (pixels == 0)
            throw new DataException("no pixel of the label maps counts: all are ignored, and there is nothing to measure");
        return new(images.Count, loss / pixels, confusion.Measure(labelled)) { Images = [.. images.OrderBy(image => image.Index)] };
    }
}
