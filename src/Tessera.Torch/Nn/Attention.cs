namespace Tessera.Nn;

/// <summary>Scaled dot-product attention (Vaswani et al., 2017, arXiv:1706.03762, equation 1).</summary>
public static class Attention
{
    // One look-up: which fused kernel the libtorch in use offers never changes.
    private static readonly bool fused = Torch.HasOperator("aten::scaled_dot_product_attention");

    /// <summary>Whether the build has a fused kernel; otherwise plain products are used.</summary>
    public static bool IsFused => fused;

    /// <summary>softmax(q k^T scale + mask) v.</summary>
    /// <param name="query">[B, h, N, d].</param>
    /// <param name="key">[B, h, M, d].</param>
    /// <param name="value">[B, h, M, e].</param>
    /// <param name="mask">Added to the scores, or booleans, where false excludes a score; broadcast to [B, h, N, M].</param>
    /// <param name="dropout">Probability of dropping a weight; 0 outside of training.</param>
    /// <param name="scale">Factor of the scores; 1 / sqrt(d) when left out.</param>
    /// <returns>[B, h, N, e].</returns>
    public static Tensor Apply(Tensor query, Tensor key, Tensor value, Tensor? mask = null, double dropout = 0, double? scale = null)
    {
        if (mask is null && HasKernel(query, key, value))
            return Torch.Attention(query, key, value, scale ?? 1 / Math.Sqrt(query.Size(-1)), dropout);
        if (fused)
        {
            if (mask?.DType == DType.Bool)
            {
                // What the kernels make of a row that a boolean mask leaves empty differs by version, and their backward passes lose
                // the sum of a row whose scores are all the lowest number. A query of zeros under no mask attends to all alike and
                // passes no gradient on.
                var empty = mask.Any(-1, keepdim: true).LogicalNot();
                (query, mask) = (query.MaskedFill(empty, 0), Additive(mask.LogicalOr(empty), query.DType));
            }
            // Autocast shortens all of them alike; outside of it the kernels refuse a mask of another type than the queries'.
            else if (mask is not null && mask.DType != query.DType)
                mask = mask.To(query.DType);
            return Torch.ScaledDotProductAttention(query, key, value, mask, dropout, scale: scale);
        }
        var weights = Weights(query, key, mask, scale);
        if (dropout > 0)
            weights = Torch.Dropout(weights, dropout, true);
        return weights.Matmul(value);
    }

    /// <summary>
    /// The same for a module: where a <see cref="Taps"/> region asks for the weights, they are computed openly and the module records
    /// them; elsewhere the fused kernels run.
    /// </summary>
    /// <param name="owner">The module that attends.</param>
    /// <param name="query">[B, h, N, d].</param>
    /// <param name="key">[B, h, M, d].</param>
    /// <param name="value">[B, h, M, e].</param>
    /// <param name="mask">Added to the scores, or booleans of which false ones are left out; broadcast to [B, h, N, M].</param>
    /// <param name="dropout">Probability of dropping a weight while the module trains.</param>
    /// <param name="scale">Factor of the scores; 1 / sqrt(d) when left out.</param>
    /// <param name="record">Name of the weights, [B, h, N, M], below the module's path.</param>
    /// <returns>[B, h, N, e].</returns>
    public static Tensor Apply(
        Module owner,
        Tensor query,
        Tensor key,
        Tensor value,
        Tensor? mask = null,
        double dropout = 0,
        double? scale = null,
        string record = "attention"
    )
    {
        if (!owner.Wanted(record))
            return Apply(query, key, value, mask, owner.Training ? dropout : 0, scale);
        var weights = owner.Record(record, Weights(query, key, mask, scale));
        return Torch.Dropout(weights, dropout, owner.Training).Matmul(value);
    }

    // The shim's own, on the CPU: forward and backward in one pass each, without scores in memory.
    private static bool HasKernel(Tensor query, Tensor key, Tensor value) =>
        query.Dim == 4
        && query.DType is DType.Float32 or DType.BFloat16
        && query.Device.Type == DeviceType.Cpu
        && key.DType == query.DType
        && value.DType == query.DType
        && key.Dim == 4
        && value.Dim == 4
        && query.Size(0) == key.Size(0)
        && query.Size(1) == key.Size(1)
        && key.Size(0) == value.Size(0)
        && key.Size(1) == value.Size(1);

    /// <summary>The weights alone: softmax(q k^T scale + mask), [B, h, N, M].</summary>
    public static Tensor Weights(Tensor query, Tensor key, Tensor? mask = null, double? scale = null)
    {
        // Scaling the queries touches N d numbers where scaling the scores would touch N M.
        var scores = (query * (scale ?? 1 / Math.Sqrt(query.Size(-1)))).Matmul(key.MT);
        if (mask is not null)
            scores = mask.DType == DType.Bool ? scores.MaskedFill(mask.LogicalNot(), Lowest(scores.DType)) : scores + mask;
        return scores.Softmax(-1);
    }

    private static Tensor Additive(Tensor mask, DType type) =>
        Torch.Zeros(mask.Shape, type, device: mask.Device).MaskedFill_(mask.LogicalNot(), Lowest(type));

    // The most negative finite number: a row without any valid entry attends uniformly instead of becoming NaN.
    // For float32 it is bfloat16's, so that it stays finite under autocast.
    private static double Lowest(DType type) =>
        type switch
        {
            DType.Float64 => double.MinValue,
            DType.Float16 => (double)Half.MinValue,
            _ => -3.3895313892515355e38,
        };
}
