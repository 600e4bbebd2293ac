using Tessera.Nn;

namespace Tessera.Models.Layers;

/// <summary>
/// Colours of a map [B, C, H, W] in a style [B, S], added to those of half the resolution where there are some (Karras et al., 2020,
/// arXiv:1912.04958, section 4.1).
/// </summary>
internal sealed partial class ToRgb : Module<(Tensor Map, Tensor Style, Tensor? Below), Tensor>
{
    private readonly Parameter bias; // [1, colours, 1, 1]
    private readonly LowPass? upsample;
    private readonly ModulatedConv2d conv;

    /// <summary>A convolution of 1x1.</summary>
    /// <param name="inputs">Channels C.</param>
    /// <param name="colours">Channels of the image.</param>
    /// <param name="style">Width S of the styles.</param>
    /// <param name="adds">Whether there are colours of half the resolution.</param>
    internal ToRgb(int inputs, int colours, int style, bool adds)
    {
        bias = Init.Zeros(new Parameter([1, colours, 1, 1]));
        if (adds)
            upsample = LowPass.Doubling();
        conv = new ModulatedConv2d(inputs, colours, 1, style, demodulate: false);
    }

    /// <inheritdoc/>
    protected override Tensor Forward((Tensor Map, Tensor Style, Tensor? Below) input)
    {
        var result = conv.Call((input.Map, input.Style)) + bias;
        return upsample is not null && input.Below is { } below ? result + upsample.Call(below) : result;
    }
}
