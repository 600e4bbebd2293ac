using Tessera.Nn;

namespace Tessera.Models.Layers;

/// <summary>How queries, keys and values are made of the tokens (Ahn et al., 2021, arXiv:2111.10017).</summary>
public enum QkvEmbedding
{
    /// <summary>One linear map for all three: XCiT's own.</summary>
    Linear,

    /// <summary>Two layers with ReLU for each (SNE).</summary>
    Separate,

    /// <summary>A first layer for all, a second one for each (P-SNE).</summary>
    PartiallyShared,

    /// <summary>The same two layers for all, told apart by a learned code that follows the token's channels (F-SNE).</summary>
    FullyShared,

    /// <summary>As <see cref="FullyShared"/>, but the code is added to the token.</summary>
    FullySharedAdded,
}

/// <summary>
/// Attention between channels: the L2-normalised cross-covariance of keys and queries weighs the channels of the values,
/// so the cost is linear in the number of tokens (El-Nouby et al., 2021, arXiv:2106.09681, equation 2). Records
/// <c>queries</c>, <c>keys</c> and <c>values</c>, [B, N, D], and <c>attention</c>, [B, h, d, d].
/// </summary>
public sealed partial class CrossCovarianceAttention : Layer
{
    private readonly Parameter temperature; // [h, 1, 1]
    private readonly Parameter? codeQ; // [E]
    private readonly Parameter? codeK; // [E]
    private readonly Parameter? codeV; // [E]
    private readonly Linear? qkv;
    private readonly Layer? shared;
    private readonly Layer? q;
    private readonly Layer? k;
    private readonly Layer? v;
    private readonly Linear proj;
    private readonly QkvEmbedding embedding;
    private readonly int dim,
        heads;

    /// <summary>Attention of <paramref name="heads"/> heads over vectors of <paramref name="dim"/>.</summary>
    /// <param name="dim">Width, a multiple of the heads.</param>
    /// <param name="heads">Number of heads.</param>
    /// <param name="qkvBias">Whether the linear map of queries, keys and values has a bias; the others always have.</param>
    /// <param name="embedding">How queries, keys and values are made.</param>
    /// <param name="hidden">Width between the two layers; null: that of the tokens.</param>
    /// <param name="codeDim">Length of a code; null: the width of the tokens, which an added one must have.</param>
    public CrossCovarianceAttention(
        int dim,
        int heads,
        bool qkvBias = true,
        QkvEmbedding embedding = QkvEmbedding.Linear,
        int? hidden = null,
        int? codeDim = null
    )
    {
        if (dim % heads != 0)
            throw new ArgumentException($"the width {dim} must be a multiple of the {heads} heads", nameof(heads));
        (this.dim, this.heads, this.embedding) = (dim, heads, embedding);
        var (width, code) = (hidden ?? dim, codeDim ?? dim);
        if (embedding == QkvEmbedding.FullySharedAdded && code != dim)
            throw new ArgumentException($"the length of a code, {code}, must be the width of the tokens, {dim}", nameof(codeDim));
        temperature = Init.Ones(new Parameter([heads, 1, 1]));
        switch (embedding)
        {
            case QkvEmbedding.Linear:
                qkv = new Linear(dim, 3 * dim, qkvBias);
                break;
            case QkvEmbedding.Separate:
                (q, k, v) = (new TwoLayers(dim, width, dim), new TwoLayers(dim, width, dim), new TwoLayers(dim, width, dim));
                break;
            case QkvEmbedding.PartiallyShared:
                shared = new Linear(dim, width);
                (q, k, v) = (new Linear(width, dim), new Linear(width, dim), new Linear(width, dim));
                break;
            default:
                (codeQ, codeK, codeV) = (Code(code), Code(code), Code(code));
                shared = new TwoLayers(embedding == QkvEmbedding.FullyShared ? dim + code : dim, width, dim);
                break;
        }
        proj = new Linear(dim, dim);
    }

    private static Parameter Code(int length) => Init.TruncatedNormal(new Parameter(length), 0.02);

    /// <inheritdoc/>
    protected override Tensor Forward(Tensor input) // [B, N, D]
    {
        var (query, key, value) = Embed(input);
        query = Normalize(Heads(Record("queries", query))); // [B, h, d, N]
        key = Normalize(Heads(Record("keys", key)));
        var weights = Record("attention", (query.Matmul(key.MT) * temperature).Softmax(-1)); // [B, h, d, d]
        var mixed = weights.Matmul(Heads(Record("values", value)));
        return proj.Call(mixed.Permute(0, 3, 1, 2).Flatten(2));
    }

    private (Tensor Query, Tensor Key, Tensor Value) Embed(Tensor x)
    {
        if (qkv is not null)
        {
            var packed = qkv.Call(x).Chunk(3, -1);
            return (packed[0], packed[1], packed[2]);
        }
        if (q is not null && k is not null && v is not null)
        {
            var hidden = shared is null ? x : shared.Call(x).Relu();
            return (q.Call(hidden), k.Call(hidden), v.Call(hidden));
        }
        // The first layer of [token, code] is the sum of a layer of the token, the same for all three, and one of the code.
        var network = (TwoLayers)shared!;
        Tensor weight = network.First.Weight;
        var (ofToken, ofCode) = embedding == QkvEmbedding.FullyShared ? (weight.Slice(1, 0, dim), weight.Slice(1, dim)) : (weight, weight);
        var token = Torch.Linear(x, ofToken, network.First.Bias); // [B, N, M]
        return (Coded(codeQ!), Coded(codeK!), Coded(codeV!));

        Tensor Coded(Parameter code) => network.Second.Call((token + Torch.Linear(code, ofCode)).Relu());
    }

    private Tensor Heads(
        Tensor x
    ) // [B, N, D] -> [B, h, d, N]
        => x.Unflatten(2, heads, dim / heads).Permute(0, 2, 3, 1);

    // Along the tokens, not the channels.
    private static Tensor Normalize(Tensor x) => x / x.Norm(2, -1, true).ClampMin(1e-12);

    /// <summary>Two linear maps with ReLU in between.</summary>
    private sealed partial class TwoLayers(int inputs, int hidden, int outputs) : Layer
    {
        private readonly Linear fc1 = new(inputs, hidden);
        private readonly Linear fc2 = new(hidden, outputs);

        public Linear First => fc1;
        public Linear Second => fc2;

        protected override Tensor Forward(Tensor input) => fc2.Call(fc1.Call(input).Relu());
    }
}
