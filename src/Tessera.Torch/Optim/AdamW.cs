namespace Tessera.Optim;

/// <summary>Adam with decoupled weight decay (Loshchilov and Hutter, 2017, arXiv:1711.05101), as PyTorch computes it.</summary>
/// <param name="groups">The parameters to learn.</param>
/// <param name="learningRate">Learning rate.</param>
/// <param name="beta1">Decay of the mean of the gradients.</param>
/// <param name="beta2">Decay of the mean of their squares.</param>
/// <param name="eps">Added to the root of the squares.</param>
public sealed class AdamW(
    IEnumerable<ParameterGroup> groups,
    double learningRate,
    double beta1 = 0.9,
    double beta2 = 0.999,
    double eps = 1e-8
) : Adam(groups, learningRate, beta1, beta2, eps)
{
    private protected override bool Decoupled => true;

    /// <inheritdoc/>
    protected override Tensor Decay(Parameter parameter, Tensor gradient, double weightDecay, double learningRate)
    {
        parameter.Mul_(1 - learningRate * weightDecay);
        return gradient;
    }
}
