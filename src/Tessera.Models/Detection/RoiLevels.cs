namespace Tessera.Models.Detection;

/// <summary>
/// Which level of a pyramid a region is taken from: small ones from the finest. Lin et al., 2017, arXiv:1612.03144, equation 1.
/// </summary>
public static class RoiLevels
{
    /// <summary>
    /// The rule of mmdetection: a region of twice <paramref name="finest"/> a side or more is of the second level, and so on.
    /// </summary>
    /// <param name="rois">[n, 5]: image, left, top, right, bottom.</param>
    /// <param name="levels">Number of levels.</param>
    /// <param name="finest">Side of a square of the first level, in pixels of the image.</param>
    /// <returns>[n] int64, from 0 for the finest.</returns>
    public static Tensor Of(Tensor rois, int levels, double finest = 56) =>
        Torch.Scope(() => Limited((Side(rois) / finest + 1e-6).Log2(), levels));

    /// <summary>The rule of torchvision, which differs next to the limits: a hair is added to the logarithm, not to the side.</summary>
    /// <param name="rois">[n, 5]: image, left, top, right, bottom.</param>
    /// <param name="levels">Number of levels, of which the first has stride 4.</param>
    /// <returns>[n] int64, from 0 for the finest.</returns>
    public static Tensor Torchvision(Tensor rois, int levels) =>
        Torch.Scope(() => Limited((4 + (Side(rois) / 224).Log2() + 1e-6).Floor() - 2, levels));

    private static Tensor Side(Tensor rois)
    {
        var corners = rois.Detach();
        return ((corners.Select(1, 3) - corners.Select(1, 1)) * (corners.Select(1, 4) - corners.Select(1, 2))).Sqrt();
    }

    // An empty region has the logarithm of 0.
    private static Tensor Limited(Tensor level, int levels) => level.Floor().NanToNum(0).Clamp(0, levels - 1).To(DType.Int64);
}
