namespace Tessera.Optim;

/// <summary>
/// Adam (Kingma and Ba, 2014, arXiv:1412.6980, algorithm 1), as PyTorch computes it: decay is added to the gradient and so
/// passes through the running means.
/// </summary>
/// <param name="groups">The parameters to learn.</param>
/// <param name="learningRate">Learning rate.</param>
/// <param name="beta1">Decay of the mean of the gradients.</param>
/// <param name="beta2">Decay of the mean of their squares.</param>
/// <param name="eps">Added to the root of the squares.</param>
public class Adam(IEnumerable<ParameterGroup> groups, double learningRate, double beta1 = 0.9, double beta2 = 0.999, double eps = 1e-8)
    : Optimizer(groups, learningRate)
{
    // One look-up: which operators the libtorch in use offers never changes. The CPU has them since 2.4.
    private static readonly bool hasFused =
        Torch.HasOperator("aten::_fused_adam_", "tensor_lr") && Torch.HasOperator("aten::_fused_adamw_", "tensor_lr");

    /// <summary>Whether the libtorch in use has an operator that steps all parameters at once.</summary>
    internal static bool HasFused => hasFused;

    /// <summary>Uses the fused operator on the CPU too, where it is not faster (docs/results.md).</summary>
    internal bool FusedOnCpu { get; init; }

    private protected sealed override string? WhyNotRecordable()
    {
        if (!hasFused)
            return $"libtorch {Torch.Version} has no fused step of Adam that takes a tensor as learning rate: it must be 2.1 or newer";
        return Groups.SelectMany(g => g.Parameters).FirstOrDefault(p => !IsFused(p.Parameter)) is { Name: { } name, Parameter: var other }
            ? $"parameter '{name}' must be on a GPU for its steps to be recorded, not on {other.Device}"
            : null;
    }

    private bool IsFused(Tensor parameter) =>
        hasFused && (parameter.Device.Type == DeviceType.Cuda || (FusedOnCpu && parameter.Device.Type == DeviceType.Cpu));

    // The operator wants lists whose tensors lie alike: same type, same strides.
    private bool IsFused(in Learned learned) =>
        IsFused(learned.Parameter)
        && learned.Gradient.DType == learned.Parameter.DType
        && learned.Gradient.Device == learned.Parameter.Device
        && (
            (learned.Gradient.IsContiguous && learned.Parameter.IsContiguous)
            || learned.Gradient.Strides.AsSpan().SequenceEqual(learned.Parameter.Strides)
        );

    private protected sealed override void UpdateAll(List<Learned> learned, ParameterGroup group, double learningRate)
    {
        var fused = learned.FindAll(entry => IsFused(entry));
        if (Recorded is { } numbers)
        {
            if (fused.Count < learned.Count)
                throw new InvalidOperationException(
                    $"the step of parameter '{learned.Find(entry => !IsFused(entry)).Name}' cannot be recorded: "
                        + "its gradient must have its memory layout"
                );
            if (learned.Count == 0)
                return;
            Tensor[] counts = [.. learned.Select(entry => numbers.Count(entry.Name))];
            Torch.ForeachAdd_(counts, 1);
            FusedStep(learned, counts, group.WeightDecay, null, group.Scale == 1 ? numbers.Rate : numbers.Rate * group.Scale);
            return;
        }
        if (fused.Count < learned.Count)
            base.UpdateAll(learned.FindAll(entry => !IsFused(entry)), group, learningRate);
        foreach (var alike in fused.GroupBy(entry => (entry.Step, entry.Parameter.Device, entry.Parameter.DType)))
        {
            Learned[] entries = [.. alike];
            // All have taken as many steps: one count serves them all.
            var count = Torch.Full([], (double)alike.Key.Step, DType.Float32, device: alike.Key.Device);
            FusedStep(entries, [.. Enumerable.Repeat(count, entries.Length)], group.WeightDecay, learningRate, null);
        }
    }

    private void FusedStep(IReadOnlyList<Learned> learned, Tensor[] counts, double weightDecay, double? rate, Tensor? rateOnDevice)
    {
        Tensor[] parameters = [.. learned.Select(entry => entry.Parameter)];
        Tensor[] gradients = [.. learned.Select(entry => entry.Gradient)];
        Tensor[] means = [.. learned.Select(entry => SlotOf(entry.Name).Get("exp_avg", () => entry.Parameter.ZerosLike()))];
        Tensor[] squares = [.. learned.Select(entry => SlotOf(entry.Name).Get("exp_avg_sq", () => entry.Parameter.ZerosLike()))];
        switch (Decoupled, rate)
        {
            case (true, { } given):
                Torch.FusedAdamw_(parameters, gradients, means, squares, [], counts, given, beta1, beta2, weightDecay, eps, false, false);
                break;
            case (true, null):
                Torch.FusedAdamw_(
                    parameters,
                    gradients,
                    means,
                    squares,
                    [],
                    counts,
                    rateOnDevice!,
                    beta1,
                    beta2,
                    weightDecay,
                    eps,
                    false,
                    false
                );
                break;
            case (false, { } given):
                Torch.FusedAdam_(parameters, gradients, means, squares, [], counts, given, beta1, beta2, weightDecay, eps, false, false);
                break;
            default:
                Torch.FusedAdam_(
                    parameters,
                    gradients,
                    means,
                    squares,
                    [],
                    counts,
                    rateOnDevice!,
                    beta1,
                    beta2,
                    weightDecay,
                    eps,
                    false,
                    false
                );
                break;
        }
    }

    /// <summary>Whether decay acts on the parameter itself instead of on its gradient.</summary>
    private protected virtual bool Decoupled => false;

    /// <inheritdoc/>
    protected sealed override void Update(
        Slot slot,
        Parameter parameter,
        Tensor gradient,
        ParameterGroup group,
        double learningRate,
        long step
    )
    {
        var mean = slot.Get("exp_avg", () => parameter.ZerosLike());
        var square = slot.Get("exp_avg_sq", () => parameter.ZerosLike());
        if (group.WeightDecay != 0)
            gradient = Decay(parameter, gradient, group.WeightDecay, learningRate);
        mean.Mul_(beta1).Add_(gradient, 1 - beta1);
        square.Mul_(beta2).Addcmul_(gradient, gradient, 1 - beta2);
        var meanCorrection = 1 - Math.Pow(beta1, step);
        var squareCorrection = 1 - Math.Pow(beta2, step);
        var denominator = square.Sqrt().Div_(Math.Sqrt(squareCorrection)).Add_(eps);
        parameter.Addcdiv_(mean, denominator, -learningRate / meanCorrection);
    }

    /// <summary>Applies weight decay unless it is zero, and returns the resulting gradient.</summary>
    protected virtual Tensor Decay(Parameter parameter, Tensor gradient, double weightDecay, double learningRate) =>
        gradient.Add(parameter, weightDecay);
}
