namespace Tessera.Models.Detection;

/// <summary>Boxes and losses need more digits than sixteen bits have.</summary>
internal static class Precision
{
    /// <summary>In float32 at least.</summary>
    internal static Tensor Wide(this Tensor tensor) => tensor.DType is DType.BFloat16 or DType.Float16 ? tensor.To(DType.Float32) : tensor;

    /// <summary>
    /// A loss of 0 that reaches every parameter of a head that had nothing to learn from: processes exchange all gradients.
    /// </summary>
    internal static Tensor Nothing(Module head) =>
        Torch.Scope(() => head.Parameters().Select(parameter => parameter.Sum().Wide() * 0).Aggregate((sum, next) => sum + next));
}
