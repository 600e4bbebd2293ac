using Tessera.Nn;

namespace Tessera.Models.Layers;

/// <summary>
/// Paints the image again from a column's map of stride 32: three stages that double the resolution, or one convolution (Cai
/// et al., 2022, arXiv:2212.11696, section 2.3). [B, C, H / 32, W / 32] to logits [B, 3, H, W].
/// </summary>
public sealed partial class RevColDecoder : Layer
{
    private readonly ModuleList<Sequential>? normalLayers;
    private readonly ModuleList<Sequential>? projLayers;
    private readonly Sequential projback;

    /// <summary>A decoder.</summary>
    /// <param name="widths">Channels of the four levels, the finest first.</param>
    /// <param name="simple">One convolution.</param>
    public RevColDecoder(IReadOnlyList<int> widths, bool simple)
    {
        if (simple)
        {
            projback = new Sequential(new ChannelNorm(widths[3], 1e-6), new Conv2d(widths[3], 32 * 32 * 3, 1), new Unfolding(32));
            return;
        }
        normalLayers = new(Enumerable.Range(0, 3).Select(i => new Sequential(new ConvNextBlock(widths[2 - i], widths[2 - i], 3))));
        projLayers = new(
            Enumerable
                .Range(0, 3)
                .Select(i => new Sequential(new Conv2d(widths[3 - i], widths[2 - i], 1), new ChannelNorm(widths[2 - i], 1e-6), new Gelu()))
        );
        projback = new Sequential(new Conv2d(widths[0], 4 * 4 * 3, 1), new Unfolding(4));
    }

    /// <inheritdoc/>
    protected override Tensor Forward(Tensor input)
    {
        var x = input;
        if (normalLayers is not null && projLayers is not null)
            foreach (var (proj, normal) in projLayers.Zip(normalLayers))
            {
                x = proj.Call(x);
                x = normal.Call(x.UpsampleBilinear2d([2 * x.Size(2), 2 * x.Size(3)], true));
            }
        return projback.Call(x);
    }

    /// <summary>Channels to squares of pixels.</summary>
    private sealed class Unfolding(int factor) : Layer
    {
        protected override Tensor Forward(Tensor input) => input.PixelShuffle(factor);
    }
}
