using Tessera.Nn;

namespace Tessera.Models.Layers;

/// <summary>
/// Multi-head self-attention with one map for queries, keys and values, packed in this order, heads inside each
/// (Dosovitskiy et al., 2020, appendix A). Records <c>attention</c>, [B, h, N, N].
/// </summary>
public sealed partial class SelfAttention : Layer
{
    private readonly Linear qkv;
    private readonly LayerNorm? qNorm;
    private readonly LayerNorm? kNorm;
    private readonly Linear proj;
    private readonly Dropout projDrop;
    private readonly int heads;
    private readonly double attentionDropout;
    private readonly double? scale;

    /// <summary>Attention of <paramref name="heads"/> heads over vectors of <paramref name="dim"/>.</summary>
    /// <param name="dim">Width, a multiple of the heads.</param>
    /// <param name="heads">Number of heads.</param>
    /// <param name="qkvBias">Whether queries, keys and values have a bias.</param>
    /// <param name="attentionDropout">Dropout of the weights.</param>
    /// <param name="dropout">Dropout of the result.</param>
    /// <param name="qkNormEps">Eps of a norm of queries and keys per head; null for none.</param>
    /// <param name="scale">Factor of the scores; 1 / sqrt(dim / heads) when left out.</param>
    public SelfAttention(
        int dim,
        int heads,
        bool qkvBias = true,
        double attentionDropout = 0,
        double dropout = 0,
        double? qkNormEps = null,
        double? scale = null
    )
    {
        if (dim % heads != 0)
            throw new ArgumentException($"the width {dim} must be a multiple of the {heads} heads", nameof(heads));
        (this.heads, this.attentionDropout, this.scale) = (heads, attentionDropout, scale);
        qkv = new Linear(dim, 3 * dim, qkvBias);
        if (qkNormEps is { } eps)
        {
            qNorm = new LayerNorm(dim / heads, eps);
            kNorm = new LayerNorm(dim / heads, eps);
        }
        proj = new Linear(dim, dim);
        projDrop = new Dropout(dropout);
    }

    /// <summary>Its maps: queries, keys and values together, and what joins the heads.</summary>
    public (Linear Qkv, Linear Out) Maps => (qkv, proj);

    /// <inheritdoc/>
    protected override Tensor Forward(Tensor input) => Forward(input, null);

    /// <summary>Queries, keys and values alone, [3, B, h, N, d].</summary>
    /// <param name="input">[B, N, D].</param>
    /// <param name="heads">Cuts them into another number of heads; its own when left out.</param>
    public Tensor Project(Tensor input, int? heads = null) =>
        Torch.Scope(() =>
        {
            var (batch, tokens, dim) = input.Shape;
            var count = heads ?? this.heads;
            if (dim % count != 0)
                throw new ArgumentException($"the width {dim} must be a multiple of the {count} heads", nameof(heads));
            return qkv.Call(input).Reshape(batch, tokens, 3, count, dim / count).Permute(2, 0, 3, 1, 4);
        });

    /// <summary>Attention in which a mask [B or 1, 1, N, N] (true where attended) leaves pairs out.</summary>
    public Tensor Call(Tensor input, Tensor? mask)
    {
        if (mask is null)
            return Call(input);
        using var scope = new Scope();
        return scope.Return(Forward(input, mask));
    }

    private Tensor Forward(Tensor input, Tensor? mask) // [B, N, D]
    {
        var (batch, tokens, dim) = input.Shape;
        var packed = qkv.Call(input).Reshape(batch, tokens, 3, heads, dim / heads).Permute(2, 0, 3, 1, 4).Unbind(); // 3 of [B, h, N, d]
        var (query, key, value) = (packed[0], packed[1], packed[2]);
        if (qNorm is not null && kNorm is not null)
            (query, key) = (qNorm.Call(query), kNorm.Call(key));
        var mixed = Attention.Apply(this, query, key, value, mask, attentionDropout, scale);
        return projDrop.Call(proj.Call(mixed.Transpose(1, 2).Reshape(batch, tokens, dim)));
    }
}
