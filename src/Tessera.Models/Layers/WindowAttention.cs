using Tessera.Nn;

namespace Tessera.Models.Layers;

/// <summary>
/// Multi-head self-attention within windows with biases by relative position (Liu et al., 2021, arXiv:2103.14030, equation 4).
/// Records <c>attention</c>, [B windows, heads, N, N].
/// </summary>
public sealed partial class WindowAttention : Module<(Tensor Windows, Tensor? Mask), Tensor>
{
    private Parameter relativePositionBiasTable; // [(2 w - 1)^2, heads]
    private ModuleBuffer relativePositionIndex; // [N, N]
    private readonly Linear qkv;
    private readonly Linear proj;
    private readonly Dropout drop;
    private readonly int heads;

    /// <summary>Attention over windows of <paramref name="side"/> x <paramref name="side"/> tokens.</summary>
    /// <param name="dim">Width, a multiple of the heads.</param>
    /// <param name="side">Side of a window.</param>
    /// <param name="heads">Number of heads.</param>
    /// <param name="qkvBias">Whether queries, keys and values have a bias.</param>
    /// <param name="dropout">Dropout of the result.</param>
    public WindowAttention(int dim, int side, int heads, bool qkvBias = true, double dropout = 0)
    {
        if (dim % heads != 0)
            throw new ArgumentException($"the width {dim} must be a multiple of the {heads} heads", nameof(heads));
        this.heads = heads;
        Side = side;
        relativePositionBiasTable = Init.TruncatedNormal(new Parameter([RelativePositions.Rows((side, side)), heads]), 0.02);
        relativePositionIndex = Indices(side);
        qkv = new Linear(dim, 3 * dim, qkvBias);
        proj = new Linear(dim, dim);
        drop = new Dropout(dropout);
    }

    /// <summary>Side of a window.</summary>
    public int Side { get; private set; }

    private static ModuleBuffer Indices(int side)
    {
        using var scope = new Scope();
        return new ModuleBuffer(RelativePositions.Index((side, side)), constant: true);
    }

    /// <summary>Takes windows of another size from now on; the biases are resampled bicubically.</summary>
    public void Resize(int side)
    {
        if (side == Side)
            return;
        using var scope = new Scope();
        using var outside = Torch.NoGrad();
        relativePositionBiasTable = new Parameter(
            RelativePositions.Resize(relativePositionBiasTable, (Side, Side), (side, side)),
            relativePositionBiasTable.RequiresGrad
        );
        relativePositionIndex = new ModuleBuffer(
            RelativePositions.Index((side, side)).To(relativePositionBiasTable.Device),
            constant: true
        );
        Side = side;
    }

    /// <summary>Windows [B windows, N, C] of B images, in order; the mask [windows, N, N] is added to the scores of each image.</summary>
    protected override Tensor Forward((Tensor Windows, Tensor? Mask) input)
    {
        var (count, tokens, dim) = input.Windows.Shape;
        // [3, B windows, h, N, d]
        var packed = qkv.Call(input.Windows).Reshape(count, tokens, 3, heads, dim / heads).Permute(2, 0, 3, 1, 4);
        var bias = RelativePositions.Bias(relativePositionBiasTable, relativePositionIndex).Unsqueeze(0); // [1, h, N, N]
        if (input.Mask is { } mask)
        {
            // The windows of an image stand beside its heads, so that one mask serves the whole batch.
            var windows = mask.Size(0);
            bias = (bias + mask.Unsqueeze(1)).Reshape(1, windows * heads, tokens, tokens);
            packed = packed.Reshape(3, count / windows, windows * heads, tokens, dim / heads);
        }
        var parts = packed.Unbind();
        var (query, key, value) = (parts[0], parts[1], parts[2]);
        Tensor mixed;
        if (Wanted("attention"))
        {
            var weights = Attention.Weights(query, key, bias);
            Record("attention", weights.Reshape(count, heads, tokens, tokens));
            mixed = weights.Matmul(value);
        }
        else
            mixed = Attention.Apply(query, key, value, bias);
        return drop.Call(proj.Call(mixed.Reshape(count, heads, tokens, -1).Transpose(1, 2).Reshape(count, tokens, dim)));
    }
}
