namespace Tessera.Data.Transforms;

/// <summary>The values that fill erased boxes.</summary>
public enum ErasingMode
{
    /// <summary>A normal draw per value.</summary>
    Pixel,

    /// <summary>A normal draw per channel.</summary>
    Rand,

    /// <summary>Zero.</summary>
    Const,
}

/// <summary>Boxes of random place, area and shape are erased from the normalised image (Zhong et al., 2020; as in timm).</summary>
/// <param name="Probability">How often.</param>
/// <param name="Mode">The values that fill them.</param>
/// <param name="Count">Boxes; they share the area.</param>
/// <param name="MinArea">Smallest share of the image's area.</param>
/// <param name="MaxArea">Largest share of the image's area.</param>
/// <param name="MinRatio">Smallest width over height; the largest is its inverse.</param>
public sealed record RandomErasing(
    double Probability = 0.25,
    ErasingMode Mode = ErasingMode.Pixel,
    int Count = 1,
    double MinArea = 0.02,
    double MaxArea = 1.0 / 3,
    double MinRatio = 0.3
) : FloatTransform
{
    private const int Attempts = 10;

    /// <inheritdoc/>
    public override void Apply(Span<float> image, int channels, int height, int width, ref SampleRandom random) =>
        Erase(image, channels, height, width, ref random);

    /// <summary>The same; says whether anything was erased. Nothing of the image is read.</summary>
    internal bool Erase(Span<float> image, int channels, int height, int width, ref SampleRandom random)
    {
        if (!random.Chance(Probability))
            return false;
        var erased = false;
        for (var box = 0; box < Count; box++)
        for (var attempt = 0; attempt < Attempts; attempt++)
        {
            var area = random.Uniform(MinArea, MaxArea) * height * width / Count;
            var ratio = Math.Exp(random.Uniform(Math.Log(MinRatio), -Math.Log(MinRatio)));
            var h = (int)Math.Round(Math.Sqrt(area * ratio), MidpointRounding.ToEven);
            var w = (int)Math.Round(Math.Sqrt(area / ratio), MidpointRounding.ToEven);
            if (w >= width || h >= height)
                continue;
            Fill(image, channels, height, width, random.Between(0, height - h), random.Between(0, width - w), h, w, ref random);
            erased = true;
            break;
        }
        return erased;
    }

    private void Fill(Span<float> image, int channels, int height, int width, int top, int left, int h, int w, ref SampleRandom random)
    {
        for (var c = 0; c < channels; c++)
        {
            var color = Mode == ErasingMode.Rand ? (float)random.Normal() : 0;
            for (var y = top; y < top + h; y++)
            {
                var row = image.Slice((c * height + y) * width + left, w);
                if (Mode != ErasingMode.Pixel)
                    row.Fill(color);
                else
                    for (var x = 0; x < w; x++)
                        row[x] = (float)random.Normal();
            }
        }
    }
}
