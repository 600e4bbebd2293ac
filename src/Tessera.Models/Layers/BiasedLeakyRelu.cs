using Tessera.Nn;

namespace Tessera.Models.Layers;

/// <summary>
/// A bias per channel of [B, C, H, W], then a rectifier with slope 0.2 below zero that keeps the variance: the result is multiplied by
/// sqrt 2 (Karras et al., 2020, arXiv:1912.04958, appendix B).
/// </summary>
/// <param name="channels">C.</param>
internal sealed partial class BiasedLeakyRelu(int channels) : Layer
{
    private readonly Parameter bias = Init.Zeros(new Parameter(channels));

    /// <inheritdoc/>
    protected override Tensor Forward(Tensor input) => Activate(input + bias.Reshape(-1, 1, 1));

    /// <summary>The rectifier alone.</summary>
    /// <param name="input">Of any shape.</param>
    internal static Tensor Activate(Tensor input) => Torch.Scope(() => input.LeakyRelu(0.2) * Math.Sqrt(2));
}
