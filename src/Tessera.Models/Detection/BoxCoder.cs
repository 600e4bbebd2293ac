namespace Tessera.Models.Detection;

/// <summary>
/// Boxes as differences from other boxes: of the centres in widths and heights, and of the logarithms of width and height. Girshick et al.,
/// "Rich feature hierarchies for accurate object detection", 2013, arXiv:1311.2524, appendix C.
/// </summary>
/// <param name="Deviations">What each of the four differences is divided by; null for 1.</param>
/// <param name="ClampsBelow">
/// Whether the logarithms are held above ln(16 / 1000) as well as below its opposite, as in mmdetection; torchvision holds them below alone.
/// </param>
public sealed record BoxCoder(IReadOnlyList<double>? Deviations = null, bool ClampsBelow = true)
{
    /// <summary>The deviations of torchvision's second stage, whose reciprocals it calls weights.</summary>
    public static readonly IReadOnlyList<double> SecondStage = [0.1, 0.1, 0.2, 0.2];

    // A box may grow to some 62 times its size.
    private static readonly double largest = Math.Log(1000.0 / 16);

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
            return Deviations is null ? differences : differences / Scale(differences);
        });

    /// <summary>Boxes from proposals and differences.</summary>
    /// <param name="proposals">[n, 4].</param>
    /// <param name="differences">[n, 4], or [n, 4 k]: the four of each of k classes one after the other.</param>
    /// <param name="image">Height and width of an image that boxes are clipped to; null leaves them.</param>
    /// <returns>As many boxes in the same order.</returns>
    public Tensor Decode(Tensor proposals, Tensor differences, (int Height, int Width)? image = null) =>
        Torch.Scope(() =>
        {
            var each = differences.Reshape(differences.Size(0), -1, 4); // [n, k, 4]
            if (Deviations is not null)
                each = each * Scale(each);
            var from = Parts.Of(proposals.Unsqueeze(1)); // [n, 1]
            var (width, height) = (from.Width * Limited(each.Select(-1, 2)).Exp(), from.Height * Limited(each.Select(-1, 3)).Exp());
            var (x, y) = (from.X + from.Width * each.Select(-1, 0), from.Y + from.Height * each.Select(-1, 1));
            var boxes = Torch.Stack([x - width * 0.5, y - height * 0.5, x + width * 0.5, y + height * 0.5], -1);
            return (image is { } size ? Boxes.Clip(boxes, size) : boxes).Reshape([.. differences.Shape]);
        });

    private Tensor Limited(Tensor logarithms) => ClampsBelow ? logarithms.Clamp(-largest, largest) : logarithms.ClampMax(largest);

    private Tensor Scale(Tensor like) => Tensor.From([.. Deviations!], 4).To(like.DType).To(like.Device);

    private readonly record struct Parts(Tensor X, Tensor Y, Tensor Width, Tensor Height)
    {
        internal static Parts Of(Tensor boxes)
        {
            var (left, top, right, bottom) = (boxes.Select(-1, 0), boxes.Select(-1, 1), boxes.Select(-1, 2), boxes.Select(-1, 3));
            return new((left + right) * 0.5, (top + bottom) * 0.5, right - left, bottom - top);
        }
    }
}
