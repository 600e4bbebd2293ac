using Tessera.Data.Imaging;

namespace Tessera.Data.Transforms;

/// <summary>Brightness, contrast, saturation and hue changed by random factors, in random order.</summary>
/// <param name="Brightness">Factors from 1 - x (at least 0) to 1 + x.</param>
/// <param name="Contrast">Likewise.</param>
/// <param name="Saturation">Likewise.</param>
/// <param name="Hue">Turned by up to this share of the colour circle, at most 0.5.</param>
/// <param name="Probability">How often.</param>
public sealed record ColorJitter(double Brightness = 0, double Contrast = 0, double Saturation = 0, double Hue = 0, double Probability = 1)
    : ImageTransform
{
    /// <inheritdoc/>
    public override void Apply(Canvas canvas, ref SampleRandom random)
    {
        // Nothing is drawn where it always happens, as before there was a choice.
        if (Probability < 1 && !random.Chance(Probability))
            return;
        ReadOnlySpan<double> ranges = [Brightness, Contrast, Saturation, Hue];
        Span<int> order = [0, 1, 2, 3];
        random.Shuffle(order);
        foreach (var kind in order)
        {
            var range = ranges[kind];
            if (range == 0)
                continue;
            if (kind == 3)
            {
                HueOps.Rotate(canvas.Image, random.Uniform(-range, range));
                continue;
            }
            var factor = (float)random.Uniform(Math.Max(0, 1 - range), 1 + range);
            if (kind == 0)
                ColorOps.Brightness(canvas.Image, factor);
            else if (kind == 1)
                ColorOps.Contrast(canvas.Image, factor);
            else
                ColorOps.Saturation(canvas.Image, factor);
        }
    }
}

/// <summary>Grey in all channels.</summary>
/// <param name="Probability">How often.</param>
public sealed record RandomGrayscale(double Probability = 0.1) : ImageTransform
{
    /// <inheritdoc/>
    public override void Apply(Canvas canvas, ref SampleRandom random)
    {
        if (random.Chance(Probability))
            ColorOps.Grayscale(canvas.Image);
    }
}

/// <summary>Values inverted from a threshold on.</summary>
/// <param name="Probability">How often.</param>
/// <param name="Threshold">0 to 256.</param>
public sealed record RandomSolarize(double Probability = 0.2, int Threshold = 128) : ImageTransform
{
    /// <inheritdoc/>
    public override void Apply(Canvas canvas, ref SampleRandom random)
    {
        if (random.Chance(Probability))
            ColorOps.Solarize(canvas.Image, Threshold);
    }
}

/// <summary>Gaussian blur of a random radius.</summary>
/// <param name="Probability">How often.</param>
/// <param name="Low">Smallest deviation in pixels.</param>
/// <param name="High">Largest deviation in pixels.</param>
public sealed record RandomBlur(double Probability = 0.5, double Low = 0.1, double High = 2) : ImageTransform
{
    /// <inheritdoc/>
    public override void Apply(Canvas canvas, ref SampleRandom random)
    {
        if (random.Chance(Probability))
            GaussianBlur.Apply(canvas, (float)random.Uniform(Low, High));
    }
}

/// <summary>One of grey, solarised or blurred, each as often (DeiT III: Touvron et al., 2022, arXiv:2204.07118, section 2.2).</summary>
public sealed record ThreeAugment : ImageTransform
{
    /// <inheritdoc/>
    public override void Apply(Canvas canvas, ref SampleRandom random)
    {
        switch (random.Below(3))
        {
            case 0:
                ColorOps.Grayscale(canvas.Image);
                break;
            case 1:
                ColorOps.Solarize(canvas.Image, 128);
                break;
            default:
                GaussianBlur.Apply(canvas, (float)random.Uniform(0.1, 2));
                break;
        }
    }
}

/// <summary>Grey images become colour images of three equal channels.</summary>
public sealed record ToColor : ImageTransform
{
    /// <inheritdoc/>
    public override void Apply(Canvas canvas, ref SampleRandom random)
    {
        var source = canvas.Image;
        if (source.Channels == 3)
            return;
        canvas.Scratch.Resize(3, source.Height, source.Width);
        for (var c = 0; c < 3; c++)
            source.Plane(0).CopyTo(canvas.Scratch.Plane(c));
        canvas.Swap();
    }
}
