using Tessera.Nn;

namespace Tessera.Models.Layers;

/// <summary>
/// A convolution whose weights a style scales per channel of the input, and then brings back to length 1 per channel of the output (Karras
/// et al., 2020, arXiv:1912.04958, section 2.2). It takes maps [B, C, H, W] and styles [B, S].
/// </summary>
/// <remarks>
/// Input and output are scaled instead of the weights. That is the same sum, without a copy of the weights for every sample.
/// </remarks>
internal sealed partial class ModulatedConv2d : Module<(Tensor Map, Tensor Style), Tensor>
{
    private readonly Parameter weight; // [1, out, in, k, k]
    private readonly LowPass? blur;
    private readonly EqualLinear modulation;
    private readonly bool demodulate;

    /// <summary>A convolution whose weights are normal with deviation 1.</summary>
    /// <param name="inputs">Channels in.</param>
    /// <param name="outputs">Channels out.</param>
    /// <param name="kernel">Side of the kernel, odd.</param>
    /// <param name="style">Width S of the styles.</param>
    /// <param name="demodulate">Whether the weights of an output are brought to length 1.</param>
    /// <param name="doubles">Whether it doubles the resolution: a transposed convolution and a low-pass filter.</param>
    internal ModulatedConv2d(int inputs, int outputs, int kernel, int style, bool demodulate = true, bool doubles = false)
    {
        this.demodulate = demodulate;
        weight = Init.Normal(new Parameter([1, outputs, inputs, kernel, kernel]), 1);
        if (doubles)
            blur = LowPass.At(padding: 1, gain: 4);
        modulation = new EqualLinear(style, inputs, offset: 1);
    }

    /// <inheritdoc/>
    protected override Tensor Forward((Tensor Map, Tensor Style) input)
    {
        var scale = modulation.Call(input.Style); // [B, in]
        var kernel = weight.Squeeze(0) * EqualLinear.Scale(weight.Elements / weight.Size(1));
        var map = input.Map * scale.Unsqueeze(-1).Unsqueeze(-1);
        var result = blur is null
            ? Torch.Conv2d(map, kernel, null, padding: kernel.Size(-1) / 2)
            : Torch.ConvTranspose2d(map, kernel.Transpose(0, 1), null, 2);
        if (demodulate)
            result *= Demodulation(kernel, scale).Unsqueeze(-1).Unsqueeze(-1);
        return blur is null ? result : blur.Call(result);
    }

    // 1 / length of the weights of each output, [B, out].
    private static Tensor Demodulation(Tensor kernel, Tensor scale) =>
        FullPrecision
            .Of(kernel, weights => (FullPrecision.Widened(scale).Square().Matmul(weights.Square().Sum([2, 3]).MT) + 1e-8).Rsqrt())
            .To(scale.DType);
}
