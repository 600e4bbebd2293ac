namespace Tessera.Training.Objectives.Adversarial;

/// <summary>
/// Augmentations through which gradients flow, also those of gradients. Zhao et al., "Differentiable Augmentation for Data-Efficient GAN
/// Training", 2020, arXiv:2006.10738. Images are [B, C, H, W] in [-1, 1], so that 0 is the gray that fills; each step takes a draw per
/// image, [B], and whether it is applied to that image, a boolean [B]. Nothing is clamped.
/// </summary>
public static class DiffAugment
{
    /// <summary>Steps on images in [0, 1].</summary>
    /// <param name="images">[B, C, H, W] in [0, 1].</param>
    /// <param name="steps">What happens to them in [-1, 1].</param>
    public static Tensor Centred(Tensor images, Func<Tensor, Tensor> steps) => Torch.Scope(() => steps(images * 2 - 1) * 0.5 + 0.5);

    /// <summary>Adds a number.</summary>
    /// <param name="x">Images.</param>
    /// <param name="shift">The number per image.</param>
    /// <param name="applied">Whether it happens, per image.</param>
    public static Tensor Brightness(Tensor x, Tensor shift, Tensor applied) => Torch.Scope(() => Where(applied, x + PerImage(shift), x));

    /// <summary>Moves each pixel away from the mean of its channels, or towards it.</summary>
    /// <param name="x">Images.</param>
    /// <param name="factor">Factor of the distance per image.</param>
    /// <param name="applied">Whether it happens, per image.</param>
    public static Tensor Saturation(Tensor x, Tensor factor, Tensor applied) =>
        Torch.Scope(() => Around(x, x.Mean(1, true), factor, applied));

    /// <summary>Moves all values away from the mean of the image, or towards it.</summary>
    /// <param name="x">Images.</param>
    /// <param name="factor">Factor of the distance per image.</param>
    /// <param name="applied">Whether it happens, per image.</param>
    public static Tensor Contrast(Tensor x, Tensor factor, Tensor applied) =>
        Torch.Scope(() => Around(x, x.Mean((1, 2, 3), true), factor, applied));

    /// <summary>Pixel (i, j) becomes that at (i + rows, j + columns), or gray where there is none.</summary>
    /// <param name="x">Images.</param>
    /// <param name="rows">Whole numbers, per image.</param>
    /// <param name="columns">Whole numbers, per image.</param>
    /// <param name="applied">Whether it happens, per image.</param>
    public static Tensor Translation(Tensor x, Tensor rows, Tensor columns, Tensor applied)
    {
        using var scope = new Scope();
        var moved = Shifted(Shifted(x, 2, Whole(rows) * Whole(applied)), 3, Whole(columns) * Whole(applied));
        return scope.Return(moved);
    }

    /// <summary>Mirrors left and right.</summary>
    /// <param name="x">Images.</param>
    /// <param name="applied">Whether it happens, per image.</param>
    public static Tensor Flip(Tensor x, Tensor applied) => Torch.Scope(() => Where(applied, x.Flip(3), x));

    /// <summary>Makes images larger about their centre, or smaller in front of gray; bilinear.</summary>
    /// <param name="x">Images.</param>
    /// <param name="factor">Above 1 for larger, per image.</param>
    /// <param name="applied">Whether it happens, per image.</param>
    public static Tensor Scaling(Tensor x, Tensor factor, Tensor applied)
    {
        using var scope = new Scope();
        // Short types would round the pixels of images that nothing happens to as well.
        using var exact = Torch.Autocast(device: x.Device.Type, enabled: false);
        var scale = Where(applied, PerImage(factor), Torch.Ones([1, 1, 1, 1], x.DType, device: x.Device));
        return scope.Return(Shares(x, 2, scale).Matmul(x).Matmul(Shares(x, 3, scale).MT));
    }

    /// <summary>Makes a square of half the side gray, cut off at the edges.</summary>
    /// <param name="x">Images.</param>
    /// <param name="rows">Row of the centre per image, from 0 to the height.</param>
    /// <param name="columns">Column of the centre per image, from 0 to the width.</param>
    /// <param name="applied">Whether it happens, per image.</param>
    public static Tensor Cutout(Tensor x, Tensor rows, Tensor columns, Tensor applied)
    {
        using var scope = new Scope();
        var inside = Inside(x, 2, rows).LogicalAnd(Inside(x, 3, columns)).LogicalAnd(Flag(applied));
        return scope.Return(x * inside.LogicalNot().To(x.DType));
    }

    /// <summary>Largest translation of a side, an eighth.</summary>
    internal static int LargestShift(long side) => (int)(side * 0.125 + 0.5);

    /// <summary>Side of the square that is cut out, a half.</summary>
    internal static int CutSide(long side) => (int)(side * 0.5 + 0.5);

    private static Tensor Around(Tensor x, Tensor mean, Tensor factor, Tensor applied) =>
        Where(applied, (x - mean) * PerImage(factor) + mean, x);

    private static Tensor PerImage(Tensor draws) => draws.Reshape(-1, 1, 1, 1);

    private static Tensor Whole(Tensor draws) => PerImage(draws).To(DType.Int64);

    private static Tensor Flag(Tensor applied) => PerImage(applied).To(DType.Bool);

    private static Tensor Where(Tensor applied, Tensor changed, Tensor same) => Torch.Where(Flag(applied), changed, same);

    // 0, 1, ... along a dimension of images.
    private static Tensor Along(Tensor x, int dim, DType type) =>
        Torch.Arange(x.Size(dim), dtype: type, device: x.Device).Reshape(dim == 2 ? [1, 1, -1, 1] : [1, 1, 1, -1]);

    // By picking, not by padding: the gradient of a gradient is picked as well.
    private static Tensor Shifted(Tensor x, int dim, Tensor by)
    {
        var last = x.Size(dim) - 1;
        var from = Along(x, dim, DType.Int64) + by;
        var there = from.Ge(0).LogicalAnd(from.Le(last));
        return x.Gather(dim, from.Clamp(0, last).Expand(x.Shape)) * there.To(x.DType);
    }

    // [B, 1, side, side]: the share that each pixel of the source has in each of the result.
    private static Tensor Shares(Tensor x, int dim, Tensor scale)
    {
        var centre = (x.Size(dim) - 1) / 2.0;
        var places = Torch.Arange(x.Size(dim), dtype: x.DType, device: x.Device);
        var from = (places.Reshape(1, 1, -1, 1) - centre) / scale + centre;
        return (1 - (from - places.Reshape(1, 1, 1, -1)).Abs()).Relu();
    }

    private static Tensor Inside(Tensor x, int dim, Tensor centre)
    {
        var (side, last) = (CutSide(x.Size(dim)), x.Size(dim) - 1);
        var from = Whole(centre) - side / 2;
        var place = Along(x, dim, DType.Int64);
        return place.Ge(from.Clamp(0, last)).LogicalAnd(place.Le((from + (side - 1)).Clamp(0, last)));
    }
}
