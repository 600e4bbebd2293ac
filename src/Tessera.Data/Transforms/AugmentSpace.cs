using Tessera.Data.Imaging;

namespace Tessera.Data.Transforms;

/// <summary>
/// The operations of torchvision's AutoAugment, RandAugment and TrivialAugment: magnitudes in bins. Pixels that enter the image are black.
/// </summary>
internal static class AugmentSpace
{
    /// <summary>
    /// Values of an operation's bins, and whether half of the draws turn the effect around; no values where it takes none.
    /// </summary>
    /// <param name="name">Operation.</param>
    /// <param name="bins">10 for AutoAugment, 31 for RandAugment.</param>
    /// <param name="height">Of the image.</param>
    /// <param name="width">Of the image.</param>
    /// <exception cref="DataException">Unknown.</exception>
    public static (double[]? Values, bool Signed) Torchvision(string name, int bins, int height, int width) =>
        name switch
        {
            "ShearX" or "ShearY" => (Line(0, 0.3, bins), true),
            "TranslateX" => (Line(0, 150.0 / 331 * width, bins), true),
            "TranslateY" => (Line(0, 150.0 / 331 * height, bins), true),
            "Rotate" => (Line(0, 30, bins), true),
            "Brightness" or "Color" or "Contrast" or "Sharpness" => (Line(0, 0.9, bins), true),
            "Posterize" => (Bits(bins, 4), false),
            "Solarize" => (Line(255, 0, bins), false),
            _ => Plain(name),
        };

    /// <summary>The wider bins of TrivialAugment (Müller and Hutter, 2021).</summary>
    /// <inheritdoc cref="Torchvision"/>
    public static (double[]? Values, bool Signed) Trivial(string name, int bins = 31) =>
        name switch
        {
            "ShearX" or "ShearY" or "Brightness" or "Color" or "Contrast" or "Sharpness" => (Line(0, 0.99, bins), true),
            "TranslateX" or "TranslateY" => (Line(0, 32, bins), true),
            "Rotate" => (Line(0, 135, bins), true),
            "Posterize" => (Bits(bins, 6), false),
            "Solarize" => (Line(255, 0, bins), false),
            _ => Plain(name),
        };

    private static (double[]? Values, bool Signed) Plain(string name) =>
        name is "AutoContrast" or "Equalize" or "Invert" or "Identity"
            ? (null, false)
            : throw new DataException($"'{name}' is no operation of AutoAugment");

    /// <summary>Changes an image by a magnitude, negative ones turned around.</summary>
    public static void Apply(string name, double magnitude, Canvas canvas, Interpolation interpolation)
    {
        var image = canvas.Image;
        switch (name)
        {
            case "ShearX":
                OnBlack(Affine.ShearX(magnitude), canvas, interpolation);
                break;
            case "ShearY":
                OnBlack(Affine.ShearY(magnitude), canvas, interpolation);
                break;
            case "TranslateX":
                Window.Cut(canvas, 0, -(int)magnitude, image.Height, image.Width);
                break;
            case "TranslateY":
                Window.Cut(canvas, -(int)magnitude, 0, image.Height, image.Width);
                break;
            case "Rotate":
                Affine.Rotate(canvas, magnitude, interpolation, black: true);
                break;
            case "Brightness":
                ColorOps.Brightness(image, (float)(1 + magnitude));
                break;
            case "Color":
                ColorOps.Saturation(image, (float)(1 + magnitude));
                break;
            case "Contrast":
                ColorOps.Contrast(image, (float)(1 + magnitude));
                break;
            case "Sharpness":
                ColorOps.Sharpness(canvas, (float)(1 + magnitude));
                break;
            case "Posterize":
                ColorOps.Posterize(image, (int)magnitude);
                break;
            case "Solarize":
                ColorOps.Solarize(image, magnitude);
                break;
            case "AutoContrast":
                ColorOps.AutoContrast(image);
                break;
            case "Equalize":
                ColorOps.Equalize(image);
                break;
            case "Invert":
                ColorOps.Invert(image);
                break;
            case "Identity":
                break;
            default:
                throw new DataException($"'{name}' is no operation of AutoAugment");
        }
    }

    private static void OnBlack(Affine map, Canvas canvas, Interpolation interpolation) => map.Apply(canvas, interpolation, black: true);

    // The engine's linspace in single precision: counted from both ends.
    private static double[] Line(double from, double to, int count)
    {
        var (start, end) = ((float)from, (float)to);
        var step = (end - start) / (count - 1);
        return [.. Enumerable.Range(0, count).Select(i => (double)(i < count / 2 ? start + step * i : end - step * (count - 1 - i)))];
    }

    private static double[] Bits(int bins, int lost) =>
        [.. Enumerable.Range(0, bins).Select(i => 8 - Math.Round(i / ((bins - 1) / (double)lost), MidpointRounding.ToEven))];
}
