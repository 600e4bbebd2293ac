using Tessera.Nn;

namespace Tessera.Models.Layers;

/// <summary>
/// Depthwise convolution, norm, MLP over the channels, layer scale, residual (Liu et al., 2022, arXiv:2201.03545, figure 4).
/// </summary>
public sealed partial class ConvNextBlock : Layer
{
    private readonly Parameter gamma; // [C]
    private readonly Conv2d dwconv;
    private readonly LayerNorm norm;
    private readonly Linear pwconv1;
    private readonly Linear pwconv2;
    private readonly DropPath dropPath;

    /// <summary>A block of <paramref name="channels"/> channels; layer scale starts at 1e-6.</summary>
    public ConvNextBlock(int channels, int hidden, int kernel, double dropPath = 0)
    {
        gamma = Init.Constant(new Parameter(channels), 1e-6);
        dwconv = new Conv2d(channels, channels, kernel, 1, (kernel - 1) / 2, groups: channels);
        norm = new LayerNorm(channels, 1e-6);
        pwconv1 = new Linear(channels, hidden);
        pwconv2 = new Linear(hidden, channels);
        this.dropPath = new DropPath(dropPath);
    }

    /// <inheritdoc/>
    protected override Tensor Forward(Tensor input) // [B, C, H, W]
    {
        var x = norm.Call(dwconv.Call(input).Permute(0, 2, 3, 1));
        x = pwconv2.Call(pwconv1.Call(x).Gelu()) * gamma;
        return input + dropPath.Call(x.Permute(0, 3, 1, 2));
    }
}
