using Tessera.Nn;

namespace Tessera.Models.Layers;

/// <summary>
/// x + mixer(norm(x)), then x + MLP(norm(x)), over maps: [B, C, H, W] to the same, as a view of [B, H, W, C] in memory. The
/// mixer, <c>attn</c>, sees [B, H, W, C].
/// </summary>
public sealed partial class MixerBlock : Layer
{
    private readonly LayerNorm norm1;
    private readonly Layer attn;
    private readonly LayerNorm norm2;
    private readonly Mlp mlp;
    private readonly DropPath dropPath;

    /// <summary>A block of the given width around a mixer.</summary>
    public MixerBlock(int dim, Layer mixer, double mlpRatio, double dropout, double dropPath)
    {
        norm1 = new LayerNorm(dim);
        attn = mixer;
        norm2 = new LayerNorm(dim);
        mlp = new Mlp(dim, (int)(dim * mlpRatio), dropout);
        this.dropPath = new DropPath(dropPath);
    }

    /// <inheritdoc/>
    protected override Tensor Forward(Tensor input)
    {
        var x = input.Permute(0, 2, 3, 1);
        x = x + dropPath.Call(attn.Call(norm1.Call(x)));
        x = x + dropPath.Call(mlp.Call(norm2.Call(x)));
        return x.Permute(0, 3, 1, 2);
    }
}
