namespace Tessera.Optim;

/// <summary>
/// Adam (Kingma and Ba, 2014, arXiv:1412.6980, algorithm 1), as PyTorch computes it: decay is added to the gradient and so
/// passes through the running means.
/// </summary>
/// <param name="groups">What is learned.</param>
/// <param name="learningRate">Learning rate.</param>
/// <param name="beta1">Decay of the mean of the gradients.</param>
/// <param name="beta2">Decay of the mean of their squares.</param>
/// <param name="eps">Added to the root of the squares.</param>
public class Adam(IEnumerable<ParameterGroup> groups, double learningRate, double beta1 = 0.9, double beta2 = 0.999, double eps = 1e-8) : Optimizer(groups, learningRate)
{
    /// <inheritdoc/>
    protected sealed override void Update(Slot slot, Parameter parameter, Tensor gradient, ParameterGroup group, double learningRate, long step)
    {
        var mean = slot.Get("exp_avg", () => parameter.ZerosLike());
        var square = slot.Get("exp_avg_sq", () => parameter.ZerosLike());
        if (group.WeightDecay != 0) gradient = Decay(parameter, gradient, group.WeightDecay, learningRate);
        mean.Mul_(beta1).Add_(gradient, 1 - beta1);
        square.Mul_(beta2).Addcmul_(gradient, gradient, 1 - beta2);
        var meanCorrection = 1 - Math.Pow(beta1, step);
        var squareCorrection = 1 - Math.Pow(beta2, step);
        var denominator = square.Sqrt().Div_(Math.Sqrt(squareCorrection)).Add_(eps);
        parameter.Addcdiv_(mean, denominator, -learningRate / meanCorrection);
    }

    /// <summary>Applies weight decay that is not zero, and gives the gradient to go on with.</summary>
    protected virtual Tensor Decay(Parameter parameter, Tensor gradient, double weightDecay, double learningRate) => gradient.Add(parameter, weightDecay);
}
