using Tessera.Nn;

namespace Tessera.Models.Layers;

/// <summary>
/// Attention of all tokens to a smaller map of keys and values: a strided convolution (Wang et al., 2021, arXiv:2102.12122,
/// section 3.3), or pooling to 7 x 7 (PVT v2's linear attention, arXiv:2106.13797, section 3.1). Records <c>attention</c>, [B, h, N, M].
/// </summary>
public sealed partial class SpatialReductionAttention : Module<(Tensor Tokens, int Height, int Width), Tensor>
{
    private const int PooledSide = 7;

    private readonly Linear q;
    private readonly Linear kv;
    private readonly Linear proj;
    private readonly Conv2d? sr;
    private readonly LayerNorm? norm;
    private readonly Dropout drop;
    private readonly int heads;
    private readonly bool linear;

    /// <summary>Attention of <paramref name="heads"/> heads over tokens of <paramref name="dim"/>.</summary>
    /// <param name="dim">Width, a multiple of the heads.</param>
    /// <param name="heads">Number of heads.</param>
    /// <param name="reduction">Stride and kernel of the convolution; rows and columns that do not fill a kernel are left out. 1 for
    /// none.</param>
    /// <param name="linear">Average pooling, a 1 x 1 convolution, norm and GELU instead.</param>
    /// <param name="qkvBias">Whether queries, keys and values have a bias.</param>
    /// <param name="eps">Of the norm of the reduced map.</param>
    /// <param name="dropout">Dropout of the result.</param>
    public SpatialReductionAttention(
        int dim,
        int heads,
        int reduction,
        bool linear = false,
        bool qkvBias = true,
        double eps = 1e-5,
        double dropout = 0
    )
    {
        if (dim % heads != 0)
            throw new ArgumentException($"the width {dim} must be a multiple of the {heads} heads", nameof(heads));
        (this.heads, this.linear) = (heads, linear);
        q = new Linear(dim, dim, qkvBias);
        kv = new Linear(dim, 2 * dim, qkvBias);
        proj = new Linear(dim, dim);
        if (linear || reduction > 1)
        {
            var side = linear ? 1 : reduction;
            sr = new Conv2d(dim, dim, side, side);
            norm = new LayerNorm(dim, eps);
        }
        drop = new Dropout(dropout);
    }

    /// <inheritdoc/>
    protected override Tensor Forward((Tensor Tokens, int Height, int Width) input) // [B, N, D]
    {
        var (x, height, width) = input;
        var (batch, tokens, dim) = x.Shape;
        var query = q.Call(x).Reshape(batch, tokens, heads, dim / heads).Transpose(1, 2); // [B, h, N, d]
        // 2 of [B, h, M, d]
        var packed = kv.Call(Reduce(x, height, width)).Reshape(batch, -1, 2, heads, dim / heads).Permute(2, 0, 3, 1, 4).Unbind();
        var (key, value) = (packed[0], packed[1]);
        var mixed = Attention.Apply(this, query, key, value);
        return drop.Call(proj.Call(mixed.Transpose(1, 2).Reshape(batch, tokens, dim)));
    }

    private Tensor Reduce(Tensor x, int height, int width) // [B, N, D] -> [B, M, D]
    {
        if (sr is null || norm is null)
            return x;
        var map = x.ToMap(height, width);
        if (linear)
            map = map.AdaptiveAvgPool2d(PooledSide, PooledSide);
        var reduced = norm.Call(sr.Call(map).ToTokens());
        return linear ? reduced.Gelu() : reduced;
    }
}
