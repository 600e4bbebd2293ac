namespace Tessera.Training.Losses;

/// <summary>Reduction of the losses of single samples.</summary>
public enum Reduction
{
    /// <summary>None: one loss per sample, [B].</summary>
    None = 0,

    /// <summary>Mean over the batch, a scalar.</summary>
    Mean = 1,

    /// <summary>Sum over the batch, a scalar.</summary>
    Sum = 2,
}

/// <summary>The teacher's signal for a student (Touvron et al., 2020, arXiv:2012.12877, section 4).</summary>
public enum DistillationKind
{
    /// <summary>No distillation.</summary>
    None,

    /// <summary>Kullback-Leibler divergence of softened distributions (equation 2).</summary>
    Soft,

    /// <summary>Cross-entropy with the teacher's most likely class as the label (equation 3).</summary>
    Hard,
}

/// <summary>Losses as plain functions of logits [B, C].</summary>
public static class ClassificationLosses
{
    /// <summary>
    /// Cross-entropy with label smoothing (Szegedy et al., 2015, arXiv:1512.00567): (1 - s) times the negative log-likelihood of the
    /// label plus s times its mean over all classes.
    /// </summary>
    /// <param name="logits">Logits of B samples and C classes, [B, C].</param>
    /// <param name="labels">Labels, int64, [B], each from 0 to C - 1.</param>
    /// <param name="smoothing">
    /// Share s of the mean over all classes, in [0, 1]; libtorch refuses other values with a TorchException.
    /// </param>
    /// <param name="reduction">Mean (the default) or sum over the batch, or none.</param>
    /// <param name="weights">
    /// Weight of each class, [C]: that of its label multiplies the loss of a sample, and the mean is the sum of these over the sum of the
    /// samples' weights, as in PyTorch. Null for none.
    /// </param>
    public static Tensor CrossEntropy(
        Tensor logits,
        Tensor labels,
        double smoothing = 0,
        Reduction reduction = Reduction.Mean,
        Tensor? weights = null
    ) => Torch.Scope(() => Single(logits).CrossEntropyLoss(labels, weights, reduction: (long)reduction, labelSmoothing: smoothing));

    /// <summary>Cross-entropy against a distribution over the classes, mean over the batch: Mixup, CutMix.</summary>
    /// <param name="logits">Logits of B samples and C classes, [B, C].</param>
    /// <param name="targets">Distributions over the classes, [B, C]; each row must sum to 1, which is not checked here.</param>
    /// <param name="weights">
    /// Weight of each class, [C], which multiplies its term; the mean is over the batch all the same, as in PyTorch. Null for none.
    /// </param>
    public static Tensor SoftCrossEntropy(Tensor logits, Tensor targets, Tensor? weights = null) =>
        Torch.Scope(() =>
        {
            var terms = targets * Single(logits).LogSoftmax(-1);
            return -(weights is null ? terms : terms * weights).Sum([-1]).Mean();
        });

    /// <summary>Labels as distributions with smoothing s: s / C everywhere, and 1 - s more at the label.</summary>
    /// <param name="labels">Labels, int64, [B], each from 0 to C - 1.</param>
    /// <param name="classes">Number of classes C.</param>
    /// <param name="smoothing">Share s that is spread over all classes, in [0, 1); the range is not checked here.</param>
    /// <param name="type">Floating-point type of the result.</param>
    public static Tensor SmoothLabels(Tensor labels, long classes, double smoothing, DType type = DType.Float32) =>
        Torch.Scope(() => labels.OneHot(classes).To(type) * (1 - smoothing) + smoothing / classes);

    /// <summary>
    /// Every class a question of its own (Wightman et al., 2021, arXiv:2110.00476, section 3; DeiT III): binary cross-entropy,
    /// mean over the batch and the classes.
    /// </summary>
    /// <param name="logits">Logits of B samples and C classes, [B, C].</param>
    /// <param name="targets">Smoothed or mixed labels, [B, C], each in [0, 1].</param>
    /// <param name="threshold">
    /// Targets above it count as 1, others as 0, so that each class of a mixed image is fully present. Null leaves them.
    /// </param>
    /// <param name="sumClasses">Sums over the classes instead of averaging, which multiplies the loss by C.</param>
    /// <param name="weights">
    /// Weight of each class, [C], which multiplies the terms of its question in all samples; the mean is over batch and classes all the
    /// same, as with PyTorch's <c>weight</c>. Null for none.
    /// </param>
    public static Tensor BinaryCrossEntropy(
        Tensor logits,
        Tensor targets,
        double? threshold = null,
        bool sumClasses = false,
        Tensor? weights = null
    ) =>
        Torch.Scope(() =>
        {
            var answers = Single(logits);
            var wanted = (threshold is { } limit ? targets > limit : targets).To(answers.DType);
            var loss = answers.BinaryCrossEntropyWithLogits(wanted, weights, reduction: (long)Reduction.Mean);
            return sumClasses ? loss * logits.Size(-1) : loss;
        });

    /// <summary>
    /// Loss of a distillation token's logits against a teacher: soft, T^2 times the divergence from the teacher's
    /// softened distribution; hard, the cross-entropy against the teacher's decision.
    /// </summary>
    /// <param name="logits">Logits of the distillation token, [B, C].</param>
    /// <param name="teacher">Logits of the teacher, [B, C].</param>
    /// <param name="kind">Soft or hard; an ArgumentOutOfRangeException otherwise.</param>
    /// <param name="temperature">T of the soft form, above 0; the hard form ignores it.</param>
    /// <param name="perBatch">
    /// For the soft form: whether to divide by the batch alone, as in the paper's formula, or by batch times classes, as in the published
    /// code.
    /// </param>
    public static Tensor FromTeacher(Tensor logits, Tensor teacher, DistillationKind kind, double temperature = 1, bool perBatch = false) =>
        Torch.Scope(() =>
        {
            if (kind == DistillationKind.Hard)
                return Single(logits).CrossEntropyLoss(teacher.Argmax(1));
            if (kind != DistillationKind.Soft)
                throw new ArgumentOutOfRangeException(nameof(kind), kind, "kind must be soft or hard");
            var theirs = (Single(teacher) / temperature).LogSoftmax(1);
            var ours = (Single(logits) / temperature).LogSoftmax(1);
            var divisor = perBatch ? logits.Size(0) : logits.Elements;
            return (theirs.Exp() * (theirs - ours)).Sum() * (temperature * temperature / divisor);
        });

    /// <summary>DeiT's loss: (1 - alpha) times the base loss of the class token plus alpha times that of the distillation token.</summary>
    /// <param name="baseLoss">Loss of the class token against the labels.</param>
    /// <param name="logits">Logits of the distillation token, [B, C].</param>
    /// <param name="teacher">Logits of the teacher, [B, C].</param>
    /// <param name="kind">None leaves the base loss as it is.</param>
    /// <param name="alpha">Weight of the teacher, in [0, 1].</param>
    /// <param name="temperature">T of the soft form, above 0; the hard form ignores it.</param>
    /// <param name="perBatch">For the soft form: divides by B (true) or by B times C (false), see <see cref="FromTeacher"/>.</param>
    public static Tensor Distillation(
        Tensor baseLoss,
        Tensor logits,
        Tensor teacher,
        DistillationKind kind,
        double alpha,
        double temperature = 1,
        bool perBatch = false
    ) =>
        kind == DistillationKind.None
            ? baseLoss
            : Torch.Scope(() => baseLoss * (1 - alpha) + FromTeacher(logits, teacher, kind, temperature, perBatch) * alpha);

    // Losses are sums of many small terms: never in the shorter types of autocast.
    private static Tensor Single(Tensor logits) => logits.DType is DType.BFloat16 or DType.Float16 ? logits.To(DType.Float32) : logits;
}
