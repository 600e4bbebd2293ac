namespace Tessera.Training;

/// <summary>Type that products are computed in.</summary>
public enum Precision
{
    /// <summary>float32 throughout.</summary>
    Fp32,

    /// <summary>Products and convolutions in bfloat16; weights, sums, norms and losses in float32.</summary>
    Bf16,

    /// <summary>The same in float16, with a loss that is scaled so that gradients do not vanish; on a GPU only.</summary>
    Fp16,
}

/// <summary>What a precision means for the engine.</summary>
internal static class PrecisionExtensions
{
    /// <summary>Opens a region in which products are computed in it; null for float32.</summary>
    internal static Autocast? Autocast(this Precision precision, Device device) =>
        precision switch
        {
            Precision.Bf16 => Torch.Autocast(DType.BFloat16, device.Type),
            Precision.Fp16 => Torch.Autocast(DType.Float16, device.Type),
            _ => null,
        };
}
