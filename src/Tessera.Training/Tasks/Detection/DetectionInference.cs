using Tessera.Data;
using Tessera.Models;
using Tessera.Models.Detection;

namespace Tessera.Training.Tasks.Detection;

/// <summary>
/// Finds objects in images of any size and brings them back to the pixels of the originals. Masks are pasted one after the other as run
/// lengths: no map of the size of a large original exists as a whole.
/// </summary>
/// <param name="model">The model, in evaluation mode.</param>
/// <param name="predict">Gives what the model does when it is called: the same, compiled. Null for the model.</param>
public sealed class DetectionInference(Detector model, Func<Tensor, Tensor>? predict = null)
{
    private readonly Func<Tensor, DenseOutputs> dense = predict is null ? model.Dense : images => DenseOutputs.Unpack(predict(images));

    // As published detectors pad. Each image is padded by itself, so that no answer depends on the other images of a batch.
    private const int Multiple = 32;

    /// <summary>The objects in images, in pixels of their originals, the likeliest first.</summary>
    /// <param name="images">[B, C, H, W], without the padding of a batch.</param>
    /// <param name="origins">What each of them shows.</param>
    public IReadOnlyList<IReadOnlyList<DetectedObject>> Run(Tensor images, IReadOnlyList<PreparedImage> origins)
    {
        using var scope = new Scope();
        using var outside = Torch.NoGrad();
        var size = new ImageSize((int)images.Size(2), (int)images.Size(3));
        var found = model.Detect(Padded(images), dense, [.. origins.Select(_ => (size.Height, size.Width))]);
        return [.. found.Zip(origins, (own, origin) => Originals(own, new(origin, size)))];
    }

    /// <summary>The objects in the images of a batch, each without the padding of the batch.</summary>
    /// <param name="batch">The batch, with boxes as targets.</param>
    internal IReadOnlyList<IReadOnlyList<DetectedObject>> Run(Batch batch)
    {
        var (origins, sizes) = (BoxTargets.Of(batch).Images, batch.Views[0].Sizes);
        var padded = new ImageSize((int)batch.Inputs.Size(2), (int)batch.Inputs.Size(3));
        var found = new IReadOnlyList<DetectedObject>[batch.Count];
        foreach (var same in Enumerable.Range(0, batch.Count).GroupBy(place => sizes?[place] ?? padded))
        {
            using var scope = new Scope();
            var (size, places) = (same.Key, same.ToArray());
            var images =
                places.Length == batch.Count
                    ? batch.Inputs
                    : batch.Inputs.IndexSelect(0, Tensor.From([.. places.Select(place => (long)place)]).To(batch.Inputs.Device));
            var answers = Run(
                images.Slice(2, 0, size.Height).Slice(3, 0, size.Width),
                [.. places.Select(place => Unpadded(origins[place], size, padded))]
            );
            foreach (var (place, answer) in places.Zip(answers))
                found[place] = answer;
        }
        return found;
    }

    // The padding of a batch is a window that reaches over the lower and the right edge.
    private static PreparedImage Unpadded(PreparedImage origin, ImageSize size, ImageSize padded) =>
        origin with
        {
            View = origin.View.Window(0, 0, size.Height / (double)padded.Height, size.Width / (double)padded.Width),
        };

    private static Tensor Padded(Tensor images)
    {
        var (below, right) = (Missing(images.Size(2)), Missing(images.Size(3)));
        return below + right == 0 ? images.Contiguous() : images.ConstantPadNd([0, right, 0, below]);

        static long Missing(long side) => (Multiple - side % Multiple) % Multiple;
    }

    private static DetectedObject[] Originals(Detections found, OriginalBoxes back)
    {
        var edges = found.Boxes.To(DType.Float64).ToArray<double>();
        var scores = found.Scores.To(DType.Float64).ToArray<double>();
        var classes = found.Classes.ToArray<long>();
        ObjectBox[] whole =
        [
            .. Enumerable
                .Range(0, scores.Length)
                .Select(i => back.Whole(edges[4 * i], edges[4 * i + 1], edges[4 * i + 2], edges[4 * i + 3])),
        ];
        var masks = found.Masks is { } probabilities ? Masks(probabilities, whole, back) : null;
        var result = new List<DetectedObject>(whole.Length);
        for (var i = 0; i < whole.Length; i++)
            if (back.Seen(whole[i]) is { } seen)
                result.Add(new(seen, (int)classes[i], scores[i], masks is null ? null : Visible(masks[i], whole[i], seen)));
        return [.. result];
    }

    private static InstanceMask[] Masks(Tensor probabilities, ObjectBox[] boxes, OriginalBoxes back)
    {
        if (boxes.Length == 0)
            return [];
        // The grid lies in the box as the network saw it.
        var turned = probabilities.To(DType.Float32);
        if (back.IsMirrored)
            turned = turned.Flip(2);
        if (back.IsOverturned)
            turned = turned.Flip(1);
        float[] edges = [.. boxes.SelectMany(box => (float[])[(float)box.Left, (float)box.Top, (float)box.Right, (float)box.Bottom])];
        var size = back.Size;
        return
        [
            .. MaskPaste
                .Runs(turned, Tensor.From(edges, boxes.Length, 4), size.Height, size.Width)
                .Select(counts => InstanceMask.FromCounts(size, counts)),
        ];
    }

    // Edges that are closer, in pixels, are the same: fractions are rounded.
    private const double Rounding = 1e-3;

    // What lies outside of the visible part was seen by nobody.
    private static InstanceMask Visible(InstanceMask mask, ObjectBox whole, ObjectBox box)
    {
        if (
            Math.Abs(whole.Left - box.Left) < Rounding
            && Math.Abs(whole.Top - box.Top) < Rounding
            && Math.Abs(whole.Right - box.Right) < Rounding
            && Math.Abs(whole.Bottom - box.Bottom) < Rounding
        )
            return mask;
        var size = mask.Size;
        var pixels = mask.ToBitmap();
        for (var y = 0; y < size.Height; y++)
        {
            var row = pixels.AsSpan(y * size.Width, size.Width);
            if (y + 0.5 < box.Top || y + 0.5 > box.Bottom)
                row.Clear();
            for (var x = 0; x < row.Length; x++)
                if (x + 0.5 < box.Left || x + 0.5 > box.Right)
                    row[x] = 0;
        }
        return InstanceMask.FromBitmap(size, pixels);
    }
}
