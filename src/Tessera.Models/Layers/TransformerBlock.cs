using Tessera.Nn;

namespace Tessera.Models.Layers;

/// <summary>
/// x + attention(norm(x)), then x + MLP(norm(x)), over tokens [B, N, D] (Dosovitskiy et al., 2020, arXiv:2010.11929, equations 2 and 3).
/// </summary>
public sealed partial class TransformerBlock : Layer
{
    private readonly LayerNorm norm1;
    private readonly SelfAttention attn;
    private readonly LayerNorm norm2;
    private readonly Mlp mlp;
    private readonly DropPath dropPath;

    /// <summary>A block around an attention.</summary>
    /// <param name="dim">Width D.</param>
    /// <param name="attention">Of the same width.</param>
    /// <param name="mlpRatio">Hidden width of the MLP over the width.</param>
    /// <param name="eps">Of the norms.</param>
    /// <param name="dropout">Of the MLP, in [0, 1).</param>
    /// <param name="dropPath">Stochastic depth, in [0, 1).</param>
    public TransformerBlock(int dim, SelfAttention attention, double mlpRatio, double eps, double dropout = 0, double dropPath = 0)
    {
        norm1 = new LayerNorm(dim, eps);
        attn = attention;
        norm2 = new LayerNorm(dim, eps);
        mlp = new Mlp(dim, (int)(dim * mlpRatio), dropout);
        this.dropPath = new DropPath(dropPath);
    }

    /// <inheritdoc/>
    protected override Tensor Forward(Tensor input)
    {
        var x = input + dropPath.Call(attn.Call(norm1.Call(input)));
        return x + dropPath.Call(mlp.Call(norm2.Call(x)));
    }
}
