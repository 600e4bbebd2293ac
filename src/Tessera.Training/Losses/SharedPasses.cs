namespace Tessera.Training.Losses;

/// <summary>The loss of a step of a super-transformer (Su et al., 2021, arXiv:2106.13700), and its targets.</summary>
public static class SharedPasses
{
    /// <summary>
    /// Labels as distributions whose smoothing leaves the label out: <paramref name="on"/> at the label, <paramref name="off"/> at every
    /// other class.
    /// </summary>
    /// <param name="labels">Labels, int64, [B], each from 0 to C - 1.</param>
    /// <param name="classes">Number of classes C.</param>
    /// <param name="on">At the label: one minus the smoothing.</param>
    /// <param name="off">Elsewhere: the smoothing over C - 1.</param>
    /// <param name="type">Floating-point type of the result.</param>
    public static Tensor Targets(Tensor labels, long classes, double on, double off, DType type = DType.Float32) =>
        Torch.Scope(() => labels.OneHot(classes).To(type) * (on - off) + off);

    /// <summary>
    /// Smoothed labels of images that are mixed with those of the reversed batch, each with its smoothing over all classes
    /// (<see cref="ClassificationLosses.SmoothLabels"/>).
    /// </summary>
    /// <param name="labels">Labels, int64, [B].</param>
    /// <param name="classes">Number of classes.</param>
    /// <param name="smoothing">Share that is spread over all classes.</param>
    /// <param name="share">Of the image itself; the rest is that of its partner.</param>
    /// <param name="type">Floating-point type of the result.</param>
    public static Tensor MixedTargets(Tensor labels, long classes, double smoothing, double share, DType type = DType.Float32) =>
        Torch.Scope(() =>
        {
            var own = ClassificationLosses.SmoothLabels(labels, classes, smoothing, type);
            return own * share + own.Flip([0]) * (1 - share);
        });

    /// <summary>The cross-entropy of the sum of the logits of several passes of the same network: the passes learn as one.</summary>
    /// <param name="logits">Logits of each pass, [B, C].</param>
    /// <param name="targets">Distributions over the classes, [B, C].</param>
    public static Tensor CrossEntropy(IReadOnlyList<Tensor> logits, Tensor targets) =>
        Torch.Scope(() => ClassificationLosses.SoftCrossEntropy(logits.Skip(1).Aggregate(logits[0], (sum, pass) => sum + pass), targets));
}
