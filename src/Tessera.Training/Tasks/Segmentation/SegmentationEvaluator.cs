using Tessera.Data;
using Tessera.Distributed;

namespace Tessera.Training.Tasks.Segmentation;

/// <summary>
/// Measures a segmenter over a whole set, each image at its original size whatever size its transforms have brought it to, as published
/// figures are measured. Only counts are kept, and a few figures of each image; the scores of an image exist at its full size once, and in
/// windows never. Threads may add at once.
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
        for (var i = 0; i < batch.Count; i++)
        {
            using var scope = new Scope();
            Add(batch.Indices[i], Measured.Of(batch, i));
        }
    }

    private void Add(int index, Measured measured)
    {
        var own = new PixelConfusion(classes);
        var (sum, count) = (0.0, 0L);
        if (measured.Origin is { } origin)
            inference.Run(measured.Image, origin, Count);
        else
            inference.Run(measured.Image, (measured.Truth.Size(1), measured.Truth.Size(2)), (row, band) => Count(row, 0, band));
        var scores = own.Measure(labelled);
        lock (images)
        {
            confusion.Add(own);
            images.Add(new(index, scores.PixelAccuracy, scores.MeanIou));
            loss += sum;
            pixels += count;
        }

        void Count(int row, int column, Tensor band)
        {
            var truth = measured.Truth.Slice(1, row, row + band.Size(2)).Slice(2, column, column + band.Size(3)).To(DType.Int64);
            own.Add(band.Argmax(1), truth);
            sum += band.To(DType.Float32).CrossEntropyLoss(truth, null, reduction: 2, ignoreIndex: LabelMap.Ignored).ToDouble();
            count += truth.Ne(LabelMap.Ignored).Sum().ToInt64();
        }
    }

    /// <summary>An image of a batch with the labels that it is measured by.</summary>
    /// <param name="Image">[1, C, H, W], without the padding of its batch: what it is measured at does not depend on the others.</param>
    /// <param name="Origin">Where the pixels of the labels lie in it; null where these are of another scale.</param>
    /// <param name="Truth">[1, h, w].</param>
    private sealed record Measured(Tensor Image, PreparedImage? Origin, Tensor Truth)
    {
        internal static Measured Of(Batch batch, int place)
        {
            var targets = MaskTargets.Of(batch);
            var (image, labels) = (batch.Inputs.Slice(0, place, place + 1), targets.Ids.Slice(0, place, place + 1));
            var (padded, labelled) = (
                new ImageSize((int)image.Size(2), (int)image.Size(3)),
                new ImageSize((int)labels.Size(1), (int)labels.Size(2))
            );
            // Maps of a scale of their own (label_scale) were asked for: they are the measure, and the model's scores are resized to them.
            if (labelled != padded)
                return new(image, null, labels);
            var size = batch.Views[0].Sizes?[place] ?? padded;
            image = image.Slice(2, 0, size.Height).Slice(3, 0, size.Width);
            if (targets.Originals.Count > 0)
            {
                var (origin, read) = targets.Originals[place];
                var view = origin.View.Window(0, 0, size.Height / (double)padded.Height, size.Width / (double)padded.Width);
                // The classes of a mirror image are those of its own labels: left and right may be exchanged.
                if (view is { Height: > 0, Width: > 0 } && !(origin.Original == size && IsFull(view)))
                {
                    var map = read();
                    var truth = Tensor.From(map.Ids, 1, map.Size.Height, map.Size.Width).To(image.Device);
                    return new(image, origin with { View = view }, truth);
                }
            }
            return new(image, Whole(size), labels.Slice(1, 0, size.Height).Slice(2, 0, size.Width));
        }

        private static PreparedImage Whole(ImageSize size) => new(ImageView.Full, ImageView.Full, size);

        private static bool IsFull(ImageView view) =>
            Near(view.Top, 0) && Near(view.Left, 0) && Near(view.Height, 1) && Near(view.Width, 1);

        private static bool Near(double value, double expected) => Math.Abs(value - expected) < 1e-9;
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
