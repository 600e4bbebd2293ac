using Tessera.Data.Imaging;

namespace Tessera.Data.Transforms;

/// <summary>
/// Brightness, contrast, saturation and hue, each changed with a chance of one half, as mmsegmentation and SSD (Liu et al., 2016,
/// arXiv:1512.02325) augment images. Contrast comes before the colours or after them, each as often. Values are cut to bytes after every
/// step, in OpenCV's 8-bit HSV space.
/// </summary>
/// <param name="Brightness">Up to that much is added to every value or taken from it.</param>
/// <param name="MinContrast">Smallest factor of every value.</param>
/// <param name="MaxContrast">Largest factor of every value.</param>
/// <param name="MinSaturation">Smallest factor of the saturation.</param>
/// <param name="MaxSaturation">Largest factor of the saturation.</param>
/// <param name="Hue">The hue is turned by up to that many of the 180 steps of the colour circle.</param>
public sealed record PhotometricDistortion(
    double Brightness = 32,
    double MinContrast = 0.5,
    double MaxContrast = 1.5,
    double MinSaturation = 0.5,
    double MaxSaturation = 1.5,
    int Hue = 18
) : ImageTransform
{
    private const double Chance = 0.5;

    /// <summary>Up to that much is added to every value or taken from it.</summary>
    public double Brightness { get; init; } =
        Brightness is >= 0 and <= 255
            ? Brightness
            : throw Wrong(FormattableString.Invariant($"brightness of {Brightness}"), "from 0 to 255");

    /// <summary>Smallest factor of every value.</summary>
    public double MinContrast { get; init; } = Lowest(MinContrast, MaxContrast, "contrast");

    /// <summary>Smallest factor of the saturation.</summary>
    public double MinSaturation { get; init; } = Lowest(MinSaturation, MaxSaturation, "saturation");

    /// <summary>The hue is turned by up to that many of the 180 steps of the colour circle.</summary>
    public int Hue { get; init; } = Hue is >= 0 and <= HsvOps.Hues / 2 ? Hue : throw Wrong($"hue of {Hue}", $"from 0 to {HsvOps.Hues / 2}");

    /// <inheritdoc/>
    public override void Apply(Canvas canvas, ref SampleRandom random)
    {
        var image = canvas.Image;
        if (random.Chance(Chance))
            ColorOps.Linear(image, 1, (float)random.Uniform(-Brightness, Brightness));
        var contrastFirst = random.Chance(Chance);
        if (contrastFirst)
            Contrast(image, ref random);
        if (random.Chance(Chance))
            HsvOps.Saturate(image, (float)random.Uniform(MinSaturation, MaxSaturation));
        if (random.Chance(Chance))
            HsvOps.Turn(image, random.Between(-Hue, Hue));
        if (!contrastFirst)
            Contrast(image, ref random);
    }

    private void Contrast(Raster image, ref SampleRandom random)
    {
        if (random.Chance(Chance))
            ColorOps.Linear(image, (float)random.Uniform(MinContrast, MaxContrast), 0);
    }

    private static double Lowest(double low, double high, string what) =>
        low >= 0 && low <= high && double.IsFinite(high)
            ? low
            : throw Wrong(FormattableString.Invariant($"{what} from {low} to {high}"), "from 0 on, the smaller factor first");

    private static DataException Wrong(string what, string right) => new($"photometric_distortion: {what}: it must be {right}");
}
