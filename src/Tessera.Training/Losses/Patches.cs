namespace Tessera.Training.Losses;

/// <summary>Images as rows of patches, for methods that predict pixels or hide patches.</summary>
public static class Patches
{
    /// <summary>[B, C, H, W] to [B, h w, P P C]: patches by rows, in each the rows, then columns, then channels.</summary>
    /// <param name="images">Images [B, C, H, W] whose sides are multiples of the patch; libtorch refuses others.</param>
    /// <param name="patch">Side P of a patch in pixels, at least 1.</param>
    public static Tensor Cut(Tensor images, int patch) =>
        Torch.Scope(() =>
        {
            var (batch, channels, height, width) = images.Shape;
            return images
                .Reshape(batch, channels, height / patch, patch, width / patch, patch)
                .Permute(0, 2, 4, 3, 5, 1)
                .Reshape(batch, height / patch * (width / patch), patch * patch * channels);
        });

    /// <summary>The images of patches: undoes <see cref="Cut"/>.</summary>
    /// <param name="patches">Patches by rows, [B, h w, P P C].</param>
    /// <param name="patch">Side P of a patch in pixels.</param>
    /// <param name="grid">Patches per column h and per row w.</param>
    public static Tensor Join(Tensor patches, int patch, (int Height, int Width) grid) =>
        Torch.Scope(() =>
        {
            var (batch, _, values) = patches.Shape;
            return patches
                .Reshape(batch, grid.Height, grid.Width, patch, patch, values / (patch * patch))
                .Permute(0, 5, 1, 3, 2, 4)
                .Reshape(batch, values / (patch * patch), grid.Height * patch, grid.Width * patch);
        });

    /// <summary>Every patch with mean 0 and variance 1 (the variance with one degree of freedom less than it has values).</summary>
    /// <param name="patches">Patches of at least two values, [B, N, P P C]; 1e-6 is added to the variance.</param>
    public static Tensor Normalize(Tensor patches) =>
        Torch.Scope(() => (patches - patches.Mean([-1], true)) / (patches.Var([-1], true, true) + 1e-6).Sqrt());

    /// <summary>Which patches are seen: those with the smallest noise, in its order.</summary>
    /// <param name="noise">Uniform draws in [0, 1), [B, L], one per patch.</param>
    /// <param name="ratio">Share that is hidden; what is seen is rounded down.</param>
    /// <returns>
    /// Indices of the visible patches [B, K], positions of all patches in the shuffled order [B, L], and a mask with 1 for hidden patches
    /// [B, L].
    /// </returns>
    /// <exception cref="ArgumentException">Nothing would be hidden, or everything.</exception>
    public static (Tensor Kept, Tensor Restore, Tensor Mask) Hide(Tensor noise, double ratio) =>
        Torch.Scope(() =>
        {
            var (batch, count) = noise.Shape;
            var kept = (int)(count * (1 - ratio));
            if (kept == count || kept == 0)
                throw new ArgumentException(
                    $"a mask ratio of {ratio} leaves {kept} of {count} patches visible: some must be visible, and some hidden",
                    nameof(ratio)
                );
            var shuffled = noise.Argsort(1);
            var restore = shuffled.Argsort(1);
            var mask = Torch.Cat([noise.NewZeros([batch, kept]), noise.NewOnes([batch, count - kept])], 1).Gather(1, restore);
            return (shuffled.Slice(1, 0, kept), restore, mask);
        });
}
