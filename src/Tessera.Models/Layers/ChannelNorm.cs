using Tessera.Nn;

namespace Tessera.Models.Layers;

/// <summary>
/// A layer norm over the channels of a map [B, C, H, W]. Its weights bear no further name: <c>weight</c> and <c>bias</c>.
/// </summary>
public sealed partial class ChannelNorm : Layer
{
    private readonly Parameter weight; // [C]
    private readonly Parameter bias; // [C]
    private readonly double eps;

    /// <summary>A norm over <paramref name="channels"/> channels.</summary>
    public ChannelNorm(int channels, double eps = 1e-5)
    {
        this.eps = eps;
        weight = Init.Ones(new Parameter(channels));
        bias = Init.Zeros(new Parameter(channels));
    }

    /// <inheritdoc/>
    protected override Tensor Forward(
        Tensor input
    ) // [B, C, H, W], the result as a view of [B, H, W, C]
        => Torch.LayerNorm(LayerNorm.Widened(input, weight).Permute(0, 2, 3, 1), weight.Elements, weight, bias, eps).Permute(0, 3, 1, 2);
}
