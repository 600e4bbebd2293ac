namespace Tessera.Training.Losses;

/// <summary>How far rebuilt images are from the true ones where pixels had been destroyed.</summary>
public static class MaskedPixels
{
    /// <summary>Mean absolute difference over the masked elements of all images; 0 where none is masked.</summary>
    /// <param name="painted">Rebuilt images, [B, C, H, W].</param>
    /// <param name="images">True images, [B, C, H, W].</param>
    /// <param name="mask">1 where pixels were destroyed, else 0, [B, C, H, W] or [B, 1, H, W].</param>
    public static Tensor Difference(Tensor painted, Tensor images, Tensor mask) =>
        Torch.Scope(() =>
        {
            var wide = mask.Expand(images.Shape);
            return ((painted - images).Abs() * wide).Sum() / wide.Sum().ClampMin(1);
        });

    /// <summary>The same of each image by itself, [B].</summary>
    /// <inheritdoc cref="Difference"/>
    public static Tensor DifferencePerImage(Tensor painted, Tensor images, Tensor mask) =>
        Torch.Scope(() =>
        {
            var wide = mask.Expand(images.Shape);
            return ((painted - images).Abs() * wide).Sum([1, 2, 3]) / wide.Sum([1, 2, 3]).ClampMin(1);
        });
}
