using Tessera.Models.Layers;

namespace Tessera.Training.Tasks.Segmentation;

/// <summary>Segments images as they are.</summary>
public static class WholeImage
{
    /// <summary>
    /// Scores of the image at its size. It is padded with zeros below and on the right to multiples of a number, which is cut off again.
    /// </summary>
    /// <param name="image">[B, C, H, W].</param>
    /// <param name="scores">Scores of an image, at any resolution.</param>
    /// <param name="multiple">What the padded sides are multiples of, at least 1; 1 pads nothing.</param>
    /// <returns>[B, classes, H, W].</returns>
    public static Tensor Scores(Tensor image, Func<Tensor, Tensor> scores, int multiple = 1) =>
        Torch.Scope(() =>
        {
            var (height, width) = (image.Size(2), image.Size(3));
            var padded = Pad(image, multiple);
            var all = scores(padded).ResizeTo(padded);
            return all.Slice(2, 0, height).Slice(3, 0, width).Contiguous();
        });

    /// <summary>Zeros below and on the right, so that both sides are multiples of a number.</summary>
    /// <param name="image">[B, C, H, W].</param>
    /// <param name="multiple">The number, at least 1.</param>
    public static Tensor Pad(Tensor image, int multiple)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(multiple, 1);
        var (below, right) = (Missing(image.Size(2)), Missing(image.Size(3)));
        return below + right == 0 ? image : image.ConstantPadNd([0, right, 0, below]);

        long Missing(long side) => (multiple - side % multiple) % multiple;
    }
}
