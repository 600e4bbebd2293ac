using Tessera.Nn;

namespace Tessera.Models.Layers;

/// <summary>
/// A convolution without bias of [B, C, H, W] with an equalised learning rate (Karras et al., 2018, arXiv:1710.10196, section 4.1).
/// </summary>
internal sealed partial class EqualConv2d : Layer
{
    private readonly Parameter weight; // [out, in, k, k]
    private readonly int stride;
    private readonly int padding;

    /// <summary>A convolution whose weights are normal with deviation 1.</summary>
    /// <param name="inputs">Channels in.</param>
    /// <param name="outputs">Channels out.</param>
    /// <param name="kernel">Side of the kernel.</param>
    /// <param name="stride">Stride along both sides.</param>
    /// <param name="padding">Zeros added on each side.</param>
    internal EqualConv2d(int inputs, int outputs, int kernel, int stride = 1, int padding = 0)
    {
        (this.stride, this.padding) = (stride, padding);
        weight = Init.Normal(new Parameter([outputs, inputs, kernel, kernel]), 1);
    }

    /// <inheritdoc/>
    protected override Tensor Forward(Tensor input) =>
        Torch.Conv2d(input, weight * EqualLinear.Scale(weight.Elements / weight.Size(0)), null, stride, padding);
}
