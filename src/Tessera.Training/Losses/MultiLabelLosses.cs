namespace Tessera.Training.Losses;

/// <summary>Losses of samples with any number of classes each, as plain functions of logits [B, C].</summary>
public static class MultiLabelLosses
{
    /// <summary>Binary cross-entropy of every class, -w y log p - (1 - y) log(1 - p) with p = sigmoid(logit).</summary>
    /// <param name="logits">Logits of B samples and C classes, [B, C].</param>
    /// <param name="targets">y, [B, C], each in [0, 1].</param>
    /// <param name="positiveWeight">Weight w of a present class against an absent one, above 0; 1 by default.</param>
    /// <returns>[B, C]; float32 where the logits are of a shorter type.</returns>
    /// <exception cref="ShapeException">Targets of another shape.</exception>
    public static Tensor BinaryCrossEntropy(Tensor logits, Tensor targets, double positiveWeight = 1) =>
        Torch.Scope(() =>
        {
            var (answers, wanted) = Check(logits, targets);
            var ofPresent = wanted * answers.LogSigmoid();
            var ofAbsent = (1 - wanted) * (-answers).LogSigmoid();
            return -(positiveWeight == 1 ? ofPresent + ofAbsent : ofPresent * positiveWeight + ofAbsent);
        });

    /// <summary>
    /// Asymmetric loss (Ridnik et al., 2020, arXiv:2009.14119, section 2): absent classes, which are many, are focused more than
    /// present ones, and those with a probability below the shift m count nothing. With p = sigmoid(logit) and p_m = max(p - m, 0) it is
    /// -y (1 - p)^gamma+ log p - (1 - y) p_m^gamma- log(1 - p_m).
    /// </summary>
    /// <remarks>
    /// Equal to the authors' code where targets are 0 or 1 and no probability of the right answer is below their floor of 1e-8, at which
    /// gradients end there and do not here. For targets in between, as after mixing, this is the paper's formula, the mean of both terms;
    /// the authors' code takes the mean of the exponents instead.
    /// </remarks>
    /// <param name="logits">Logits of B samples and C classes, [B, C].</param>
    /// <param name="targets">y, [B, C], each in [0, 1].</param>
    /// <param name="gammaNegative">Exponent gamma- of absent classes, at least 0; 4 by default.</param>
    /// <param name="gammaPositive">Exponent gamma+ of present classes, at least 0; 0 by default.</param>
    /// <param name="clip">Shift m of the probability, in [0, 1); 0.05 by default, 0 for none.</param>
    /// <param name="focusGradient">
    /// Whether gradients flow through the weights (1 - p)^gamma+ and p_m^gamma-, too. The authors train without
    /// (<c>disable_torch_grad_focal_loss</c>).
    /// </param>
    /// <returns>[B, C]; float32 where the logits are of a shorter type.</returns>
    /// <exception cref="ShapeException">Targets of another shape.</exception>
    public static Tensor Asymmetric(
        Tensor logits,
        Tensor targets,
        double gammaNegative = 4,
        double gammaPositive = 0,
        double clip = 0.05,
        bool focusGradient = false
    ) =>
        Torch.Scope(() =>
        {
            var (answers, wanted) = Check(logits, targets);
            var absent = (-answers).Sigmoid(); // 1 - p, exact where p is near 1
            var shifted = clip > 0 ? (absent + clip).ClampMax(1) : absent; // 1 - p_m
            var ofPresent = wanted * answers.LogSigmoid();
            var ofAbsent = (1 - wanted) * (clip > 0 ? shifted.Log() : (-answers).LogSigmoid());
            return -(Focus(ofPresent, absent, gammaPositive) + Focus(ofAbsent, 1 - shifted, gammaNegative));

            Tensor Focus(Tensor term, Tensor distance, double gamma) =>
                gamma == 0 ? term : term * (focusGradient ? distance : distance.Detach()).Pow(gamma);
        });

    // Losses are sums of many small terms: never in the shorter types of autocast.
    private static (Tensor Logits, Tensor Targets) Check(Tensor logits, Tensor targets)
    {
        if (!logits.Shape.AsSpan().SequenceEqual(targets.Shape.AsSpan()))
            throw new ShapeException($"targets of shape {targets.Shape} for logits of shape {logits.Shape}");
        var answers = logits.DType is DType.BFloat16 or DType.Float16 ? logits.To(DType.Float32) : logits;
        return (answers, targets.To(answers.DType));
    }
}
