using Tessera.Models.Layers;

namespace Tessera.Training.Losses;

/// <summary>
/// Losses of scores [B, C, h, w] against label maps int64 [B, H, W]. Scores of another size are resized bilinearly to the labels. Pixels
/// of the label that is ignored count nowhere, neither in a sum nor in what it is divided by; a batch without any other gives loss 0 and
/// gradient 0.
/// </summary>
public static class SegmentationLosses
{
    /// <summary>Label of pixels that count nowhere.</summary>
    public const int Ignored = 255;

    private const long Sum = 2;

    /// <summary>Cross-entropy of every pixel.</summary>
    /// <param name="scores">[B, C, h, w].</param>
    /// <param name="labels">int64, [B, H, W], each from 0 to C - 1 or ignored.</param>
    /// <param name="weights">
    /// Weight of each class, [C]: that of its label multiplies the loss of a pixel, and the sum is divided by those of all pixels. Null
    /// for none.
    /// </param>
    /// <param name="ignored">Label of pixels that do not count.</param>
    /// <param name="overAll">
    /// Divides by the number of all pixels, ignored ones included, as mmsegmentation does by default; the loss of sparse labels is smaller
    /// then.
    /// </param>
    public static PixelSum CrossEntropy(Tensor scores, Tensor labels, Tensor? weights = null, int ignored = Ignored, bool overAll = false)
    {
        using var scope = new Scope();
        var answers = Fit(scores, labels);
        var sum = answers.CrossEntropyLoss(labels, weights, reduction: Sum, ignoreIndex: ignored);
        var counted = labels.Ne(ignored);
        var weight =
            overAll ? counted.OnesLike().Sum()
            : weights is null ? counted.Sum()
            : (weights.IndexSelect(0, labels.MaskedFill(counted.LogicalNot(), 0).Flatten()) * counted.Flatten()).Sum();
        return scope.Return(new PixelSum(sum, weight.To(answers.DType)));
    }

    /// <summary>
    /// Cross-entropy of the hard pixels alone: those whose label has a probability below a threshold, and in any case the hardest ones of
    /// a number (Wu et al., 2016, arXiv:1605.06885; Shrivastava et al., 2016, arXiv:1604.03540).
    /// </summary>
    /// <param name="scores">[B, C, h, w].</param>
    /// <param name="labels">int64, [B, H, W], each from 0 to C - 1 or ignored.</param>
    /// <param name="threshold">Pixels of a lower probability of their label are hard, in [0, 1].</param>
    /// <param name="atLeast">How many pixels per image count at least, as far as there are so many; the hardest of the batch.</param>
    /// <param name="weights">Weight of each class, [C]; null for none.</param>
    /// <param name="ignored">Label of pixels that do not count.</param>
    public static PixelSum HardPixels(
        Tensor scores,
        Tensor labels,
        double threshold = 0.7,
        int atLeast = 100_000,
        Tensor? weights = null,
        int ignored = Ignored
    )
    {
        using var scope = new Scope();
        var answers = Fit(scores, labels);
        using (Torch.NoGrad())
        {
            var counted = labels.Ne(ignored);
            var right = answers.Softmax(1).Gather(1, labels.MaskedFill(counted.LogicalNot(), 0).Unsqueeze(1)).Squeeze(1);
            var limit = Limit(right.MaskedSelect(counted), atLeast * labels.Size(0));
            var hard = right.Lt(threshold).LogicalOr(right.Le(limit)).LogicalAnd(counted);
            labels = labels.MaskedFill(hard.LogicalNot(), ignored);
        }
        return scope.Return(CrossEntropy(answers, labels, weights, ignored));
    }

    // The largest probability of so many of the hardest pixels.
    private static double Limit(Tensor probabilities, long count)
    {
        count = Math.Min(count, probabilities.Elements);
        return count == 0 ? -1 : probabilities.Topk(count, largest: false).Item1.Max().ToDouble();
    }

    /// <summary>
    /// Soft Dice loss: 1 minus the overlap of prediction and truth over their sizes, mean over the classes (Milletari et al., 2016,
    /// arXiv:1606.04797). It compares the pixels of a batch, so it is no mean over them.
    /// </summary>
    /// <param name="scores">[B, C, h, w].</param>
    /// <param name="labels">int64, [B, H, W], each from 0 to C - 1 or ignored.</param>
    /// <param name="smooth">Added to overlap and sizes, above 0: a class without pixels costs nothing where none is predicted.</param>
    /// <param name="ignored">Label of pixels that do not count.</param>
    public static Tensor Dice(Tensor scores, Tensor labels, double smooth = 1, int ignored = Ignored) =>
        Torch.Scope(() =>
        {
            var (predicted, truth) = Pixels(scores, labels, ignored);
            var overlap = (predicted * truth).Sum([0]);
            var sizes = predicted.Square().Sum([0]) + truth.Sum([0]);
            return (1 - (2 * overlap + smooth) / (sizes + smooth)).Mean();
        });

    /// <summary>
    /// Lovász-softmax: a surrogate of the mean IoU of a batch (Berman et al., 2018, arXiv:1705.08790), over the classes that occur in its
    /// labels. It compares the pixels of a batch, so it is no mean over them.
    /// </summary>
    /// <param name="scores">[B, C, h, w].</param>
    /// <param name="labels">int64, [B, H, W], each from 0 to C - 1 or ignored.</param>
    /// <param name="ignored">Label of pixels that do not count.</param>
    public static Tensor Lovasz(Tensor scores, Tensor labels, int ignored = Ignored) =>
        Torch.Scope(() =>
        {
            var (predicted, truth) = Pixels(scores, labels, ignored);
            if (predicted.Size(0) == 0)
                return predicted.Sum();
            var (errors, order) = (truth - predicted).Abs().Sort(0, true);
            Tensor steps;
            Tensor present;
            using (Torch.NoGrad())
            {
                // The Jaccard loss after each further error, from the largest on; its differences are the gradient (algorithm 1).
                var sorted = truth.Gather(0, order);
                var total = truth.Sum([0], true);
                var jaccard = 1 - (total - sorted.Cumsum(0)) / (total + (1 - sorted).Cumsum(0));
                steps = Torch.Cat([jaccard.Slice(0, 0, 1), jaccard.Slice(0, 1) - jaccard.Slice(0, 0, -1)]);
                present = total.Gt(0).To(predicted.DType);
            }
            return ((errors * steps).Sum([0], true) * present).Sum() / present.Sum();
        });

    // Probabilities and truth of the pixels that count, [P, C] each.
    private static (Tensor Predicted, Tensor Truth) Pixels(Tensor scores, Tensor labels, int ignored)
    {
        var answers = Fit(scores, labels);
        var places = labels.Ne(ignored).Flatten().Nonzero().Squeeze(1);
        var predicted = answers.Softmax(1).Permute(0, 2, 3, 1).Flatten(0, 2).IndexSelect(0, places);
        return (predicted, labels.Flatten().IndexSelect(0, places).OneHot(answers.Size(1)).To(predicted.DType));
    }

    /// <summary>Right pixels among those that count.</summary>
    /// <param name="scores">[B, C, h, w].</param>
    /// <param name="labels">int64, [B, H, W].</param>
    /// <param name="ignored">Label of pixels that do not count.</param>
    public static Score Accuracy(Tensor scores, Tensor labels, int ignored = Ignored)
    {
        using var scope = new Scope();
        using var outside = Torch.NoGrad();
        var counted = labels.Ne(ignored);
        var right = Fit(scores, labels).Argmax(1).Eq(labels).LogicalAnd(counted);
        return new(right.Sum().ToDouble(), counted.Sum().ToDouble());
    }

    // Losses are sums of many small terms: never in the shorter types of autocast.
    private static Tensor Fit(Tensor scores, Tensor labels)
    {
        if (scores.Dim != 4 || labels.Dim != 3 || scores.Size(0) != labels.Size(0))
            throw new ShapeException($"scores must be [B, C, h, w] and labels [B, H, W], not {scores.Shape} and {labels.Shape}");
        var wide = scores.DType is DType.BFloat16 or DType.Float16 ? scores.To(DType.Float32) : scores;
        return wide.ResizeTo(labels.Size(1), labels.Size(2));
    }
}
