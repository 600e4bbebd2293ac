using System.ComponentModel.DataAnnotations;

namespace Tessera.Training.Objectives.Adversarial;

/// <summary>
/// Augmentations of real and generated images alike, in this order, with a draw of its own for each image. The defaults are those of the
/// authors' reproduction of ViTGAN; the paper has color, translation, scaling and cutout with 0.8 each and no flip.
/// </summary>
/// <param name="Color">
/// Probability of each of brightness (up to half of the range up or down, in [-1, 1] by 0.5), saturation (0 to 2 times) and contrast (0.5
/// to 1.5 times), from 0 (never) to 1; 0.8 by default.
/// </param>
/// <param name="Translation">Probability of moving by up to an eighth of the side, from 0 to 1; 0.8 by default.</param>
/// <param name="Flip">Probability of mirroring left and right, from 0 to 1; 0.45 by default.</param>
/// <param name="Scaling">Probability of a zoom by 0.8 to 1.25, from 0 to 1; 0 by default.</param>
/// <param name="Cutout">Probability of a gray square of half the side, from 0 to 1; 0.3 by default.</param>
public sealed record DiffAugmentOptions(
    [Range(0, 1)] double Color = 0.8,
    [Range(0, 1)] double Translation = 0.8,
    [Range(0, 1)] double Flip = 0.45,
    [Range(0, 1)] double Scaling = 0,
    [Range(0, 1)] double Cutout = 0.3
)
{
    private const double MostScaling = 1.25;

    /// <summary>Draws for each image, and augments it.</summary>
    /// <param name="images">[B, C, H, W] in [0, 1].</param>
    /// <returns>The same shape; values may leave [0, 1]. The very images where no step has a probability.</returns>
    internal Tensor Apply(Tensor images) =>
        this is { Color: 0, Translation: 0, Flip: 0, Scaling: 0, Cutout: 0 } ? images : DiffAugment.Centred(images, Steps);

    private Tensor Steps(Tensor x)
    {
        var (count, height, width) = (x.Size(0), x.Size(2), x.Size(3));
        if (Color > 0)
        {
            x = DiffAugment.Brightness(x, Uniform(-0.5, 0.5), Applied(Color));
            x = DiffAugment.Saturation(x, Uniform(0, 2), Applied(Color));
            x = DiffAugment.Contrast(x, Uniform(0.5, 1.5), Applied(Color));
        }
        if (Translation > 0)
            x = DiffAugment.Translation(x, Shift(height), Shift(width), Applied(Translation));
        if (Flip > 0)
            x = DiffAugment.Flip(x, Applied(Flip));
        if (Scaling > 0)
            x = DiffAugment.Scaling(x, (Uniform(-1, 1) * Math.Log(MostScaling)).Exp(), Applied(Scaling));
        if (Cutout > 0)
            x = DiffAugment.Cutout(x, Centre(height), Centre(width), Applied(Cutout));
        return x;

        Tensor Uniform(double from, double to) => Torch.Rand(count, x.DType, device: x.Device) * (to - from) + from;

        Tensor Applied(double probability) => Uniform(0, 1).Lt(probability);

        Tensor Whole(long from, long to) => Torch.Randint(from, to, count, DType.Int64, device: x.Device);

        Tensor Shift(long side) => Whole(-DiffAugment.LargestShift(side), DiffAugment.LargestShift(side) + 1);

        // The square of an even side may lie before either edge, so that as much of it is cut off at both.
        Tensor Centre(long side) => Whole(0, side + 1 - DiffAugment.CutSide(side) % 2);
    }
}
