using Tessera.Data.Imaging;

namespace Tessera.Data.Transforms;

/// <summary>
/// Large-scale jittering (Ghiasi et al., 2021, arXiv:2012.07177, section 3): an image is made to fit into a fixed size times a random
/// ratio, in proportion, and then cut or padded to that size. A larger image is cut at a random position, a smaller one lies at the upper
/// left.
/// </summary>
/// <param name="Size">Of both sides of the result, in pixels; of the height where <paramref name="Width"/> is given.</param>
/// <param name="Width">Of the width, in pixels; <paramref name="Size"/> when null.</param>
/// <param name="MinRatio">Smallest ratio.</param>
/// <param name="MaxRatio">Largest ratio; every one between is as likely.</param>
/// <param name="Fill">Value of the padding, 0 to 255; the mean of the data when null, which is 0 after normalization.</param>
/// <param name="Interpolation">Filter.</param>
public sealed record LargeScaleJitter(
    int Size = 1024,
    int? Width = null,
    double MinRatio = 0.1,
    double MaxRatio = 2,
    int? Fill = null,
    Interpolation Interpolation = Interpolation.Bilinear
) : ImageTransform
{
    /// <summary>Of both sides of the result, or of the height, in pixels.</summary>
    public int Size { get; init; } = AtLeastOne(Size, "large_scale_jitter", "size");

    /// <summary>Of the width, in pixels; <see cref="Size"/> when null.</summary>
    public int? Width { get; init; } = Width is null ? null : AtLeastOne(Width.Value, "large_scale_jitter", "width");

    /// <summary>Smallest ratio.</summary>
    public double MinRatio { get; init; } =
        MinRatio > 0 && MinRatio <= MaxRatio && double.IsFinite(MaxRatio)
            ? MinRatio
            : throw new DataException(
                FormattableString.Invariant(
                    $"large_scale_jitter: ratios from {MinRatio} to {MaxRatio}: min_ratio must be above 0 and at most max_ratio"
                )
            );

    /// <summary>Value of the padding; the mean of the data when null.</summary>
    public int? Fill { get; init; } = Byte(Fill, "large_scale_jitter");

    /// <inheritdoc/>
    public override void Apply(Canvas canvas, ref SampleRandom random)
    {
        Scale.Apply(canvas, ref random);
        Crop.Apply(canvas, ref random);
    }

    internal override void Apply(Canvas canvas, ImageFile file, int channels, bool shrink, ref SampleRandom random)
    {
        Scale.Apply(canvas, file, channels, shrink, ref random);
        Crop.Apply(canvas, ref random);
    }

    private RandomScale Scale => new(MinRatio, MaxRatio, Math.Min(Size, Width ?? Size), Math.Max(Size, Width ?? Size), Interpolation);

    private RandomDenseCrop Crop => new(Size, Width, Fill: Fill);
}
