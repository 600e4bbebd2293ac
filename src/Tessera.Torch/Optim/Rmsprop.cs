namespace Tessera.Optim;

/// <summary>RMSprop as PyTorch computes it: decay is added to the gradient, eps to the root.</summary>
/// <param name="groups">The parameters to learn.</param>
/// <param name="learningRate">Learning rate.</param>
/// <param name="alpha">Decay of the mean of the squared gradients.</param>
/// <param name="eps">Added to the root of the squares.</param>
/// <param name="momentum">Share of the last update that is kept.</param>
public sealed class Rmsprop(
    IEnumerable<ParameterGroup> groups,
    double learningRate,
    double alpha = 0.99,
    double eps = 1e-8,
    double momentum = 0
) : Optimizer(groups, learningRate)
{
    /// <inheritdoc/>
    protected override void Update(Slot slot, Parameter parameter, Tensor gradient, ParameterGroup group, double learningRate, long step)
    {
        var square = slot.Get("square_avg", () => parameter.ZerosLike());
        if (group.WeightDecay != 0)
            gradient = gradient.Add(parameter, group.WeightDecay);
        square.Mul_(alpha).Addcmul_(gradient, gradient, 1 - alpha);
        var root = square.Sqrt().Add_(eps);
        if (momentum == 0)
            parameter.Addcdiv_(gradient, root, -learningRate);
        else
            parameter.Add_(slot.Get("momentum", () => parameter.ZerosLike()).Mul_(momentum).Addcdiv_(gradient, root, 1), -learningRate);
    }
}
