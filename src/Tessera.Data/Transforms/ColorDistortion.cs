using System.Buffers;
using Tessera.Data.Imaging;

namespace Tessera.Data.Transforms;

/// <summary>
/// The colours of a view in SimCLR (Chen et al., 2020, arXiv:2002.05709, appendix A) and BYOL (Grill et al., 2020, arXiv:2006.07733,
/// appendix B): jitter, grey, blur, solarising, in this order and each by chance. Brightness, contrast, saturation and hue of a jitter come
/// in random order, and each is cut to [0, 1]. All of it is computed in floating point and rounded to bytes once, at the end.
/// </summary>
/// <param name="Strength">Multiplies the ranges of brightness, contrast, saturation and hue: 1 for ImageNet, 0.5 for CIFAR.</param>
/// <param name="Brightness">Factors from 1 - x (at least 0) to 1 + x; with <paramref name="Additive"/>, up to x is added or taken.</param>
/// <param name="Contrast">Factors from 1 - x (at least 0) to 1 + x of the distance from the mean of each channel.</param>
/// <param name="Saturation">Factors from 1 - x (at least 0) to 1 + x of the saturation of HSV.</param>
/// <param name="Hue">Turned by up to this share of the colour circle, at most 0.5.</param>
/// <param name="Probability">How often there is a jitter.</param>
/// <param name="Additive">Whether brightness is added, as in BYOL and the first version of SimCLR, instead of multiplied.</param>
/// <param name="Grayscale">How often the image becomes grey.</param>
/// <param name="Blur">
/// How often it is blurred, by a deviation from 0.1 to 2 pixels; the kernel has a tenth of the image's height, and zeros lie around it.
/// </param>
/// <param name="Solarize">How often values from the middle on are inverted.</param>
public sealed record ColorDistortion(
    double Strength = 1,
    double Brightness = 0.8,
    double Contrast = 0.8,
    double Saturation = 0.8,
    double Hue = 0.2,
    double Probability = 0.8,
    bool Additive = false,
    double Grayscale = 0.2,
    double Blur = 0,
    double Solarize = 0
) : ImageTransform
{
    private const double LeastDeviation = 0.1,
        MostDeviation = 2;
    private const float Middle = 0.5f;

    /// <summary>Multiplies the ranges of brightness, contrast, saturation and hue.</summary>
    public double Strength { get; init; } = NotNegative(Strength, "strength");

    /// <summary>Half-width of the range of factors, or of what is added.</summary>
    public double Brightness { get; init; } = NotNegative(Brightness, "brightness");

    /// <summary>Half-width of the range of factors.</summary>
    public double Contrast { get; init; } = NotNegative(Contrast, "contrast");

    /// <summary>Half-width of the range of factors.</summary>
    public double Saturation { get; init; } = NotNegative(Saturation, "saturation");

    /// <summary>Largest turn, as a share of the colour circle.</summary>
    public double Hue { get; init; } =
        Hue >= 0 && Hue * Strength <= 0.5 ? Hue : throw Wrong("hue", Hue, "from 0 to 0.5, also when strength multiplies it");

    /// <summary>How often there is a jitter.</summary>
    public double Probability { get; init; } = Share(Probability, "probability");

    /// <summary>How often the image becomes grey.</summary>
    public double Grayscale { get; init; } = Share(Grayscale, "grayscale");

    /// <summary>How often it is blurred.</summary>
    public double Blur { get; init; } = Share(Blur, "blur");

    /// <summary>How often values from the middle on are inverted.</summary>
    public double Solarize { get; init; } = Share(Solarize, "solarize");

    /// <inheritdoc/>
    public override void Apply(Canvas canvas, ref SampleRandom random)
    {
        var image = canvas.Image;
        var rented = ArrayPool<float>.Shared.Rent(image.Values.Length);
        try
        {
            var values = rented.AsSpan(0, image.Values.Length);
            for (var i = 0; i < values.Length; i++)
                values[i] = image.Values[i] / 255f;
            if (Distort(values, image, ref random))
                for (var i = 0; i < values.Length; i++)
                    image.Values[i] = (byte)(values[i] * 255f + 0.5f);
        }
        finally
        {
            ArrayPool<float>.Shared.Return(rented);
        }
    }

    private bool Distort(Span<float> values, Raster image, ref SampleRandom random)
    {
        var color = image.Channels == 3;
        var changed = false;
        if (random.Chance(Probability))
        {
            Jitter(values, image.Channels, ref random);
            changed = true;
        }
        if (random.Chance(Grayscale) && color)
        {
            UnitColors.Gray(values);
            changed = true;
        }
        if (random.Chance(Blur))
        {
            // Half of what the reference calls the size of the kernel, a tenth of the height, both whole numbers.
            UnitBlur.Apply(values, image.Height, image.Width, image.Height / 10 / 2, (float)random.Uniform(LeastDeviation, MostDeviation));
            changed = true;
        }
        if (random.Chance(Solarize))
        {
            UnitColors.Solarize(values, Middle);
            changed = true;
        }
        return changed;
    }

    private void Jitter(Span<float> values, int channels, ref SampleRandom random)
    {
        Span<int> order = [0, 1, 2, 3];
        random.Shuffle(order);
        foreach (var kind in order)
            switch (kind)
            {
                case 0 when Additive:
                    UnitColors.Add(values, (float)random.Uniform(-Strength * Brightness, Strength * Brightness));
                    break;
                case 0:
                    UnitColors.Multiply(values, Factor(Brightness, ref random));
                    break;
                case 1:
                    UnitColors.Contrast(values, channels, Factor(Contrast, ref random));
                    break;
                // Grey images have neither saturation nor hue.
                case 2 when channels == 3:
                    UnitColors.Saturate(values, Factor(Saturation, ref random));
                    break;
                case 3 when channels == 3:
                    UnitColors.Turn(values, (float)random.Uniform(-Strength * Hue, Strength * Hue));
                    break;
            }
    }

    private float Factor(double range, ref SampleRandom random) =>
        (float)random.Uniform(Math.Max(0, 1 - Strength * range), 1 + Strength * range);

    private static double NotNegative(double value, string field) =>
        value >= 0 && double.IsFinite(value) ? value : throw Wrong(field, value, "at least 0");

    private static double Share(double value, string field) => value is >= 0 and <= 1 ? value : throw Wrong(field, value, "from 0 to 1");

    private static DataException Wrong(string field, double value, string right) =>
        new(FormattableString.Invariant($"color_distortion: {field} of {value}: it must be {right}"));
}
