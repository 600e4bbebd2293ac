namespace Tessera.Optim;

/// <summary>
/// LAMB (You et al., 2019, arXiv:1904.00962, algorithm 2) in timm's form: Adam's step, scaled for each tensor to the tensor's
/// own norm. Groups without weight decay are not scaled.
/// </summary>
/// <param name="groups">The parameters to learn.</param>
/// <param name="learningRate">Learning rate.</param>
/// <param name="beta1">Decay of the mean of the gradients.</param>
/// <param name="beta2">Decay of the mean of their squares.</param>
/// <param name="eps">Added to the root of the squares.</param>
/// <param name="maxNorm">Largest joint norm of all gradients, which are scaled down to it before the step; null leaves them.</param>
public sealed class Lamb(
    IEnumerable<ParameterGroup> groups,
    double learningRate,
    double beta1 = 0.9,
    double beta2 = 0.999,
    double eps = 1e-6,
    double? maxNorm = 1
) : Optimizer(groups, learningRate)
{
    /// <inheritdoc/>
    protected override void Prepare(IEnumerable<Tensor> gradients)
    {
        if (maxNorm is not { } limit)
            return;
        var all = gradients.ToArray();
        if (all.Length == 0)
            return;
        var divisor = (Torch.Stack([.. all.Select(g => g.LinalgVectorNorm())]).LinalgVectorNorm() / limit).Clamp(min: 1);
        foreach (var gradient in all)
            gradient.Div_(divisor);
    }

    /// <inheritdoc/>
    protected override void Update(Slot slot, Parameter parameter, Tensor gradient, ParameterGroup group, double learningRate, long step)
    {
        var mean = slot.Get("exp_avg", () => parameter.ZerosLike());
        var square = slot.Get("exp_avg_sq", () => parameter.ZerosLike());
        mean.Mul_(beta1).Add_(gradient, 1 - beta1);
        square.Mul_(beta2).Addcmul_(gradient, gradient, 1 - beta2);
        var denominator = square.Sqrt().Div_(Math.Sqrt(1 - Math.Pow(beta2, step))).Add_(eps);
        var update = mean.Div(denominator).Div_(1 - Math.Pow(beta1, step));
        if (group.WeightDecay != 0)
        {
            update.Add_(parameter, group.WeightDecay);
            update.Mul_(TrustRatio.Of(parameter, update, 1));
        }
        parameter.Add_(update, -learningRate);
    }
}
