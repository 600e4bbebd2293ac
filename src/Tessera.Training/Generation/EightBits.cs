namespace Tessera.Training.Generation;

/// <summary>Images as files of 8 bits have them.</summary>
public static class EightBits
{
    /// <summary>The nearest of 256 values in [0, 1], as float32; what lies outside of [0, 1] becomes 0 or 1.</summary>
    /// <param name="images">Images in [0, 1].</param>
    public static Tensor Round(Tensor images) => Torch.Scope(() => Steps(images) / 255);

    /// <summary>The values of the pixels in files, uint8.</summary>
    /// <param name="images">Images in [0, 1].</param>
    public static Tensor Bytes(Tensor images) => Torch.Scope(() => Steps(images).To(DType.UInt8));

    // Ties go up, as where PyTorch saves images.
    private static Tensor Steps(Tensor images) => (images.Detach().To(DType.Float32).Clamp(0, 1) * 255 + 0.5).Floor();
}
