namespace Tessera.Models.Detection;

/// <summary>
/// Small masks of probabilities brought back to the size of an image: stretched over their boxes, bilinearly, with zeros around them. The
/// center of pixel (X, Y) is (X + 0.5, Y + 0.5). He et al., 2017, arXiv:1703.06870, section 3.1. All of it is computed on the processor
/// in float32, mask by mask, and is the same whatever the number of threads.
/// </summary>
public static class MaskPaste
{
    /// <summary>
    /// Masks at the size of the image as run lengths: column by column, a number of pixels that are not set (perhaps 0), then of those
    /// that are, and so on in turns, as in COCO's annotations. Nothing of the image's size is held.
    /// </summary>
    /// <param name="masks">[n, S, S], probabilities.</param>
    /// <param name="boxes">[n, 4] in pixels of the image: left, top, right, bottom.</param>
    /// <param name="height">Of the image.</param>
    /// <param name="width">Of the image.</param>
    /// <param name="threshold">From this probability, a pixel is set. Above 0.</param>
    /// <returns>The lengths of each mask, which sum to height x width.</returns>
    /// <exception cref="ShapeException">Shapes do not fit each other.</exception>
    public static IReadOnlyList<int[]> Runs(Tensor masks, Tensor boxes, int height, int width, double threshold = 0.5)
    {
        if ((long)height * width > int.MaxValue)
            throw new ShapeException($"an image of {height} x {width} has more pixels than a run length counts");
        using var scope = new Scope();
        var (lengths, ends) = Torch.PasteMaskRuns(Here(masks), Here(boxes), height, width, threshold);
        var all = lengths.ToArray<long>();
        var result = new List<int[]>();
        long begin = 0;
        foreach (var end in ends.ToArray<long>())
        {
            result.Add(Array.ConvertAll(all[(int)begin..(int)end], length => (int)length));
            begin = end;
        }
        return result;
    }

    /// <summary>Probabilities at the size of the image. They take 4 bytes a pixel and mask: <see cref="Runs"/> is for many.</summary>
    /// <returns>[n, height, width] in float32, on the processor.</returns>
    /// <inheritdoc cref="Runs"/>
    public static Tensor Probabilities(Tensor masks, Tensor boxes, int height, int width) =>
        Torch.Scope(() => Torch.PasteMasks(Here(masks), Here(boxes), height, width));

    private static Tensor Here(Tensor tensor) => tensor.Detach().To(Device.Cpu);
}
