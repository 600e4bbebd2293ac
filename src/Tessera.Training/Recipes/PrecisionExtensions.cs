namespace Tessera.Training;

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
