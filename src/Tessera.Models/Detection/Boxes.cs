namespace Tessera.Models.Detection;

/// <summary>
/// Measures of boxes. A box is left, top, right and bottom in continuous coordinates: its width is right - left, without one more pixel.
/// Both sides broadcast: <c>Iou(a.Unsqueeze(1), b.Unsqueeze(0))</c> compares all boxes with all others.
/// </summary>
public static class Boxes
{
    /// <summary>Areas that something is divided by are at least this, as in mmdetection.</summary>
    public const double Least = 1e-6;

    /// <summary>Areas of boxes, [..., 4] to [...].</summary>
    public static Tensor Areas(Tensor boxes) => Torch.Scope(() => (Edge(boxes, 2) - Edge(boxes, 0)) * (Edge(boxes, 3) - Edge(boxes, 1)));

    /// <summary>Intersection over union, [..., 4] and [..., 4] to [...].</summary>
    public static Tensor Iou(Tensor a, Tensor b) =>
        Torch.Scope(() =>
        {
            var common = Intersection(a, b);
            return common / (Areas(a) + Areas(b) - common).ClampMin(Least);
        });

    /// <summary>Intersection over the area of the first box.</summary>
    public static Tensor Iof(Tensor a, Tensor b) => Torch.Scope(() => Intersection(a, b) / Areas(a).ClampMin(Least));

    /// <summary>
    /// Generalized IoU: the IoU, less the share of the smallest box around both that neither covers. Rezatofighi et al., 2019,
    /// arXiv:1902.09630.
    /// </summary>
    /// <param name="a">[..., 4].</param>
    /// <param name="b">[..., 4].</param>
    /// <param name="least">Least area of the union and of the box around both.</param>
    public static Tensor GIou(Tensor a, Tensor b, double least = Least) =>
        Torch.Scope(() =>
        {
            var common = Intersection(a, b);
            var union = (Areas(a) + Areas(b) - common).ClampMin(least);
            var (width, height) = (
                Edge(a, 2).Maximum(Edge(b, 2)) - Edge(a, 0).Minimum(Edge(b, 0)),
                Edge(a, 3).Maximum(Edge(b, 3)) - Edge(a, 1).Minimum(Edge(b, 1))
            );
            var hull = (width.ClampMin(0) * height.ClampMin(0)).ClampMin(least);
            return common / union - (hull - union) / hull;
        });

    /// <summary>The part of boxes that lies in an image.</summary>
    /// <param name="boxes">[..., 4].</param>
    /// <param name="image">Its height and width.</param>
    public static Tensor Clip(Tensor boxes, (int Height, int Width) image) =>
        Torch.Scope(() =>
            Torch.Stack(
                [
                    Edge(boxes, 0).Clamp(0, image.Width),
                    Edge(boxes, 1).Clamp(0, image.Height),
                    Edge(boxes, 2).Clamp(0, image.Width),
                    Edge(boxes, 3).Clamp(0, image.Height),
                ],
                -1
            )
        );

    private static Tensor Intersection(Tensor a, Tensor b) =>
        (Edge(a, 2).Minimum(Edge(b, 2)) - Edge(a, 0).Maximum(Edge(b, 0))).ClampMin(0)
        * (Edge(a, 3).Minimum(Edge(b, 3)) - Edge(a, 1).Maximum(Edge(b, 1))).ClampMin(0);

    private static Tensor Edge(Tensor boxes, int place) => boxes.Select(-1, place);
}
