namespace Tessera.Models.Detection;

/// <summary>
/// Boxes as differences from other boxes: of the centres in widths and heights, and of the logarithms of width and height. Girshick et al.,
/// "Rich feature hierarchies for accurate object detection", 2013, arXiv:1311.2524, appendix C.
/// </summary>
/// <param name="Deviations">What each of the four differences is divided by; null for 1.</param>
/// <param name="ClampsBelow">
/// Whether width and height are kept from shrinking too much, as in mmdetection, and not only from growing, as in torchvision.
/// </param>
/// <param name="Means">What each difference is before it is divided, on average; null for 0.</param>
/// <param name="MostGrowth">The most that width and height grow by, and its reciprocal the most that they shrink by: above 1.</param>
public sealed record BoxCoder(
    IReadOnlyList<double>? Deviations = null,
    bool ClampsBelow = true,
    IReadOnlyList<double>? Means = null,
    double MostGrowth = 1000.0 / 16
)
{
    /// <summary>The deviations of torchvision's second stage, whose reciprocals it calls weights.</summary>
    public static readonly IReadOnlyList<double> SecondStage = [0.1, 0.1, 0.2, 0.2];

    /// <summary>The differences of boxes from proposals.</summary>
    /// <param name="proposals">[n, 4].</param>
    /// <param name="boxes">[n, 4].</param>
    /// <returns>[n, 4].</returns>
    public Tensor Encode(Tensor proposals, Tensor boxes) =>
        Torch.Scope(() =>
        {
            var (from, to) = (Parts.Of(proposals), Parts.Of(boxes));
            var differences = Torch.Stack(
                [
                    (to.X - from.X) / from.Width,
                    (to.Y - from.Y) / from.Height,
                    (to.Width / from.Width).Log(),
                    (to.Height / from.Height).Log(),
                ],
                -1
            );
            if (Means is not null)
                differences = differences - Four(Means, differences);
            return Deviations is null ? differences : differences / Four(Deviations, differences);
        });

    /// <summary>Boxes from proposals and differences.</summary>
    /// <param name="proposals">[n, 4].</param>
    /// <param name="differences">[n, 4], or [n, 4 k]: the four of each of k classes one after the other.</param>
    /// <param name="image">Height and width of an image that boxes are clipped to; null leaves them.</param>
    /// <returns>As many boxes in the same order.</returns>
    public Tensor Decode(Tensor proposals, Tensor differences, (int Height, int Width)? image = null) =>
        Torch.Scope(() =>
        {
            var each = differences.Reshape(differences.Size(0), differences.Size(1) / 4, 4); // [n, k, 4], of which n may be 0
            if (Deviations is not null)
                each = each * Four(Deviations, each);
            if (Means is not null)
                each = each + Four(Means, each);
            var from = Parts.Of(proposals.Unsqueeze(1)); // [n, 1]
            var (width, height) = (from.Width * Limited(each.Select(-1, 2)).Exp(), from.Height * Limited(each.Select(-1, 3)).Exp());
            var (x, y) = (from.X + from.Width * each.Select(-1, 0), from.Y + from.Height * each.Select(-1, 1));
            var boxes = Torch.Stack([x - width * 0.5, y - height * 0.5, x + width * 0.5, y + height * 0.5], -1);
            return (image is { } size ? Boxes.Clip(boxes, size) : boxes).Reshape([.. differences.Shape]);
        });

    private Tensor Limited(Tensor logarithms)
    {
        var most = Math.Log(MostGrowth);
        return ClampsBelow ? logarithms.Clamp(-most, most) : logarithms.ClampMax(most);
    }

    private static Tensor Four(IReadOnlyList<double> values, Tensor like) => Tensor.From([.. values], 4).To(like.DType).To(like.Device);

    private readonly record struct Parts(Tensor X, Tensor Y, Tensor Width, Tensor Height)
    {
        internal static Parts Of(Tensor boxes)
        {
            var (left, top, right, bottom) = (boxes.Select(-1, 0), boxes.Select(-1, 1), boxes.Select(-1, 2), boxes.Select(-1, 3));
            return new((left + right) * 0.5, (top + bottom) * 0.5, right - left, bottom - top);
        }
    }
}
