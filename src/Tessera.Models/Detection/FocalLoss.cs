namespace Tessera.Models.Detection;

/// <summary>
/// Cross-entropy of a sigmoid for each class, less for what is nearly right already, so that a sea of easy background does not drown the
/// few hard objects. Lin et al., 2017, arXiv:1708.02002, equation 5.
/// </summary>
/// <param name="Alpha">Share of the class that an object has, from 0 to 1; all that a box is not has what is left.</param>
/// <param name="Gamma">Power of how wrong a logit is, at least 0.</param>
public sealed record FocalLoss(double Alpha = 0.25, double Gamma = 2)
{
    /// <summary>Share of the class that an object has.</summary>
    public double Alpha { get; } =
        Alpha is >= 0 and <= 1 ? Alpha : throw new ArgumentOutOfRangeException(nameof(Alpha), Alpha, "alpha must be from 0 to 1");

    /// <summary>Power of how wrong a logit is.</summary>
    public double Gamma { get; } =
        Gamma >= 0 ? Gamma : throw new ArgumentOutOfRangeException(nameof(Gamma), Gamma, "gamma must be at least 0");

    /// <summary>
    /// The sum over all logits, by a kernel of the native library on the processor, from <see cref="Elements"/> elsewhere. Value and
    /// gradient are the same whatever the number of threads.
    /// </summary>
    /// <param name="logits">[n, classes].</param>
    /// <param name="labels">[n] int64: the class, or the number of classes for background.</param>
    /// <param name="weights">[n], by which rows count; null for 1 each.</param>
    /// <returns>A single number; in float32 for logits of 16 bits.</returns>
    /// <exception cref="ShapeException">Shapes do not fit each other.</exception>
    /// <exception cref="TorchIndexException">On the processor: a label is neither a class nor background.</exception>
    public Tensor Sum(Tensor logits, Tensor labels, Tensor? weights = null) =>
        Torch.Scope(() =>
            logits.Device.Type == DeviceType.Cpu && logits.DType != DType.Float16
                ? Torch.FocalLoss(logits, labels, weights?.Detach(), Alpha, Gamma)
            : weights is null ? Elements(logits, labels).Sum()
            : (Elements(logits, labels) * weights.Detach().Unsqueeze(1)).Sum()
        );

    /// <summary>The loss of each logit, from the engine's own operators, on every device and differentiable any number of times.</summary>
    /// <param name="logits">[n, classes].</param>
    /// <param name="labels">[n] int64: the class, or the number of classes for background.</param>
    /// <returns>[n, classes]; in float32 for logits of 16 bits.</returns>
    /// <exception cref="ShapeException">Shapes do not fit each other.</exception>
    public Tensor Elements(Tensor logits, Tensor labels)
    {
        if (logits.Dim != 2 || labels.Dim != 1 || labels.Size(0) != logits.Size(0))
            throw new ShapeException($"logits have to be [n, classes] and labels [n], they are {logits.Shape} and {labels.Shape}");
        using var whole = Torch.Autocast(device: logits.Device.Type, enabled: false);
        return Torch.Scope(() =>
        {
            var wide = logits.DType is DType.BFloat16 or DType.Float16 ? logits.To(DType.Float32) : logits;
            var own = labels.Unsqueeze(1).Eq(Torch.Arange(logits.Size(1), device: logits.Device));
            // How wrong a logit is: it should be high for the row's class, low for all others.
            var wrong = Torch.Where(own, -wide, wide);
            var share = own.To(wide.DType) * (2 * Alpha - 1) + (1 - Alpha);
            // The power by logarithms: exact where the sigmoid is next to 0, and with a gradient there.
            return share * (Softplus(-wrong) * -Gamma).Exp() * Softplus(wrong);
        });
    }

    // The number itself from 40 on, where a double does not tell the difference; the engine's limit would be 20.
    private static Tensor Softplus(Tensor x) => x.Softplus(1, 40);
}
