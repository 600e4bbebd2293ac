using Tessera.Data.Imaging;

namespace Tessera.Data.Transforms;

/// <summary>A resize of the whole image to a size that follows from its own.</summary>
/// <param name="Interpolation">Filter.</param>
public abstract record WholeResize(Interpolation Interpolation) : ImageTransform
{
    /// <summary>The size of the result.</summary>
    /// <param name="image">Size of the image.</param>
    /// <param name="random">Every choice is drawn from it.</param>
    private protected abstract ImageSize NewSize(ImageSize image, ref SampleRandom random);

    /// <inheritdoc/>
    public sealed override void Apply(Canvas canvas, ref SampleRandom random)
    {
        var image = new ImageSize(canvas.Image.Height, canvas.Image.Width);
        var size = NewSize(image, ref random);
        if (size != image)
            Resampling.Resize(canvas, size.Height, size.Width, Interpolation.Draw(ref random));
    }

    // Some rows at a time.
    internal sealed override void Apply(Canvas canvas, ImageFile file, int channels, bool shrink, ref SampleRandom random)
    {
        var image = new ImageSize(file.Height, file.Width);
        var size = NewSize(image, ref random);
        if (size == image)
            file.Decode(canvas.Image, channels);
        else
            file.Resize(
                canvas,
                new(0, 0, image.Height, image.Width),
                size.Height,
                size.Width,
                Interpolation.Draw(ref random),
                false,
                channels
            );
    }

    /// <summary>An image made to fit, in proportion: as mmsegmentation rounds.</summary>
    /// <param name="image">Its size.</param>
    /// <param name="shorter">Most pixels of its shorter side; null for any number.</param>
    /// <param name="longer">Most pixels of its longer side; null for any number.</param>
    private protected static ImageSize Fit(ImageSize image, int? shorter, int? longer)
    {
        var factor = Math.Min(
            shorter / (double)Math.Min(image.Height, image.Width) ?? double.PositiveInfinity,
            longer / (double)Math.Max(image.Height, image.Width) ?? double.PositiveInfinity
        );
        return new(Scaled(image.Height, factor), Scaled(image.Width, factor));
    }

    private static int Scaled(int side, double factor) => Math.Max(1, (int)(side * factor + 0.5));

    /// <summary>Refuses sides that are given and are 0 or negative.</summary>
    private protected static int? Side(int? side, string transform, string field) =>
        side is null ? null : AtLeastOne(side.Value, transform, field);
}

/// <summary>
/// Made as large as fits, in proportion: neither side grows above its limit, and one of them reaches it. Sides are rounded to the nearest
/// pixel, as in mmsegmentation.
/// </summary>
/// <param name="Shorter">Most pixels of the shorter side.</param>
/// <param name="Longer">Most pixels of the longer side; null for any number.</param>
/// <param name="Interpolation">Filter.</param>
public sealed record ResizeWithin(int Shorter, int? Longer = null, Interpolation Interpolation = Interpolation.Bilinear)
    : WholeResize(Interpolation)
{
    /// <summary>Most pixels of the shorter side.</summary>
    public int Shorter { get; init; } = AtLeastOne(Shorter, "resize_within", "shorter");

    /// <summary>Most pixels of the longer side; null for any number.</summary>
    public int? Longer { get; init; } = Side(Longer, "resize_within", "longer");

    private protected override ImageSize NewSize(ImageSize image, ref SampleRandom random) => Fit(image, Shorter, Longer);
}

/// <summary>
/// <see cref="ResizeWithin"/> with both limits multiplied by a random ratio, as mmsegmentation augments its training images. Without limits
/// they are the sides of the image itself.
/// </summary>
/// <param name="MinRatio">Smallest ratio.</param>
/// <param name="MaxRatio">Largest ratio; every one between is as likely.</param>
/// <param name="Shorter">Most pixels of the shorter side at a ratio of 1.</param>
/// <param name="Longer">Most pixels of the longer side at a ratio of 1.</param>
/// <param name="Interpolation">Filter.</param>
public sealed record RandomScale(
    double MinRatio = 0.5,
    double MaxRatio = 2,
    int? Shorter = null,
    int? Longer = null,
    Interpolation Interpolation = Interpolation.Bilinear
) : WholeResize(Interpolation)
{
    /// <summary>Smallest ratio.</summary>
    public double MinRatio { get; init; } =
        MinRatio > 0 && MinRatio <= MaxRatio && double.IsFinite(MaxRatio)
            ? MinRatio
            : throw new DataException(
                FormattableString.Invariant(
                    $"random_scale: ratios from {MinRatio} to {MaxRatio}: min_ratio must be above 0 and at most max_ratio"
                )
            );

    /// <summary>Most pixels of the shorter side at a ratio of 1.</summary>
    public int? Shorter { get; init; } = Side(Shorter, "random_scale", "shorter");

    /// <summary>Most pixels of the longer side at a ratio of 1.</summary>
    public int? Longer { get; init; } = Side(Longer, "random_scale", "longer");

    private protected override ImageSize NewSize(ImageSize image, ref SampleRandom random)
    {
        var own = Shorter is null && Longer is null;
        var (shorter, longer) = own ? (Math.Min(image.Height, image.Width), Math.Max(image.Height, image.Width)) : (Shorter, Longer);
        var ratio = random.Uniform(MinRatio, MaxRatio);
        return Fit(image, Limit(shorter), Limit(longer));

        // Whole pixels, rounded down, as the reference does.
        int? Limit(int? side) => side is { } pixels ? Math.Max(1, (int)Math.Min(pixels * ratio, int.MaxValue)) : null;
    }
}

/// <summary>
/// <see cref="ResizeWithin"/> with a limit of the shorter side that is drawn for each image, as detectors are trained at several scales.
/// </summary>
/// <param name="Shorter">
/// Most pixels of the shorter side: one of these is drawn, each as often. With <paramref name="Step"/> the first and the last of them.
/// </param>
/// <param name="Longer">Most pixels of the longer side; null for any number.</param>
/// <param name="Step">From each to the next, in pixels; null where all are listed.</param>
/// <param name="Interpolation">Filter.</param>
public sealed record RandomResize(
    IReadOnlyList<int> Shorter,
    int? Longer = null,
    int? Step = null,
    Interpolation Interpolation = Interpolation.Bilinear
) : WholeResize(Interpolation)
{
    /// <summary>Most pixels of the shorter side, one of which is drawn; with <see cref="Step"/> the first and the last of them.</summary>
    public IReadOnlyList<int> Shorter { get; init; } = Sizes(Shorter, Step);

    /// <summary>Most pixels of the longer side; null for any number.</summary>
    public int? Longer { get; init; } = Side(Longer, "random_resize", "longer");

    /// <summary>From each to the next, in pixels; null where all are listed.</summary>
    public int? Step { get; init; } = Side(Step, "random_resize", "step");

    private protected override ImageSize NewSize(ImageSize image, ref SampleRandom random) =>
        Fit(
            image,
            Step is { } step
                ? Shorter[0] + step * random.Below((Shorter[1] - Shorter[0]) / step + 1)
                : Shorter[random.Below(Shorter.Count)],
            Longer
        );

    private static IReadOnlyList<int> Sizes(IReadOnlyList<int> sizes, int? step)
    {
        foreach (var size in sizes)
            AtLeastOne(size, "random_resize", "shorter");
        if (sizes.Count == 0)
            throw new DataException("random_resize: shorter is an empty list: it must have at least one size");
        if (step is > 0 && (sizes is not [var first, var last] || last < first || (last - first) % step != 0))
            throw new DataException(
                $"random_resize: shorter of [{string.Join(", ", sizes)}] with a step of {step}: it must have the first and the last size, "
                    + "a whole number of steps above it"
            );
        return sizes;
    }
}

/// <summary>Both sides resized up to the next multiple, as SegFormer is measured on ADE20K; the ratio may change a little.</summary>
/// <param name="Multiple">Of so many pixels.</param>
/// <param name="Interpolation">Filter.</param>
public sealed record ResizeToMultiple(int Multiple = 32, Interpolation Interpolation = Interpolation.Bilinear) : WholeResize(Interpolation)
{
    /// <summary>Sides become multiples of it.</summary>
    public int Multiple { get; init; } = AtLeastOne(Multiple, "resize_to_multiple", "multiple");

    private protected override ImageSize NewSize(ImageSize image, ref SampleRandom random) => image.Up(Multiple);
}
