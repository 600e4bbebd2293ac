namespace Tessera.Models.Layers;

/// <summary>Small sums that short floating-point numbers would spoil.</summary>
internal static class FullPrecision
{
    /// <summary>Computes outside of autocast, and in float32 where a tensor is shorter.</summary>
    /// <param name="tensor">What goes in.</param>
    /// <param name="compute">Gets the tensor in float32, or in its own type where that is longer.</param>
    internal static Tensor Of(Tensor tensor, Func<Tensor, Tensor> compute)
    {
        using var whole = Torch.Autocast(device: tensor.Device.Type, enabled: false);
        return compute(Widened(tensor));
    }

    /// <summary>The tensor in float32 where its type is shorter, else itself.</summary>
    /// <param name="tensor">Of a floating-point type.</param>
    internal static Tensor Widened(Tensor tensor) => tensor.DType is DType.Float16 or DType.BFloat16 ? tensor.To(DType.Float32) : tensor;
}
