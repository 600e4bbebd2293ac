using Tessera.Nn;

namespace Tessera.Models.Layers;

/// <summary>The block of PVT, PVT v2 and MiT: x + attention(norm(x)), then x + MLP(norm(x)), over the tokens of a map.</summary>
public sealed partial class PyramidBlock : Module<(Tensor Tokens, int Height, int Width), Tensor>
{
    /// <summary>Sizes and options of one block.</summary>
    /// <param name="Dim">Width.</param>
    /// <param name="Heads">Heads.</param>
    /// <param name="MlpRatio">Hidden width of the MLP over the width.</param>
    /// <param name="Reduction">Reduction of keys and values along each side.</param>
    /// <param name="Convolution">A depthwise convolution in the MLP (all but PVT v1).</param>
    /// <param name="Linear">Pooled attention.</param>
    /// <param name="QkvBias">Whether queries, keys and values have a bias.</param>
    /// <param name="Eps">Of the block's norms.</param>
    /// <param name="ReductionEps">Of the norm of reduced keys and values.</param>
    /// <param name="Dropout">Dropout of the MLP and of the attention's result.</param>
    public sealed record Config(
        int Dim,
        int Heads,
        double MlpRatio,
        int Reduction,
        bool Convolution,
        bool Linear,
        bool QkvBias,
        double Eps,
        double ReductionEps,
        double Dropout
    );

    private readonly LayerNorm norm1;
    private readonly SpatialReductionAttention attn;
    private readonly LayerNorm norm2;

    [Name("mlp")]
    private readonly Mlp? mlp;

    [Name("mlp")]
    private readonly PyramidMlp? convMlp;
    private readonly DropPath dropPath;

    /// <summary>A block with the authors' initialisation.</summary>
    public PyramidBlock(Config config, double dropPath)
    {
        var hidden = (int)(config.Dim * config.MlpRatio);
        norm1 = new LayerNorm(config.Dim, config.Eps);
        attn = new SpatialReductionAttention(
            config.Dim,
            config.Heads,
            config.Reduction,
            config.Linear,
            config.QkvBias,
            config.ReductionEps,
            config.Dropout
        );
        norm2 = new LayerNorm(config.Dim, config.Eps);
        if (config.Convolution)
            convMlp = new PyramidMlp(config.Dim, hidden, config.Linear, config.Dropout);
        else
            mlp = new Mlp(config.Dim, hidden, config.Dropout);
        this.dropPath = new DropPath(dropPath);
        TransformerInit.Linears(this);
    }

    /// <inheritdoc/>
    protected override Tensor Forward((Tensor Tokens, int Height, int Width) input) // [B, N, D]
    {
        var (x, height, width) = input;
        x = x + dropPath.Call(attn.Call((norm1.Call(x), height, width)));
        var normed = norm2.Call(x);
        return x + dropPath.Call(convMlp is null ? mlp!.Call(normed) : convMlp.Call((normed, height, width)));
    }
}
