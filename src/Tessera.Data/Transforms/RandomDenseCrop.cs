using Tessera.Data.Imaging;

namespace Tessera.Data.Transforms;

/// <summary>
/// A window at a random position of an image, for a class per pixel. An image that is smaller lies at the upper left of it, with padding
/// whose labels are ignored.
/// </summary>
/// <remarks>
/// With <paramref name="MaxShare"/>, as <c>cat_max_ratio</c> in mmsegmentation: windows are drawn until one has at least two classes, none
/// of which has that share of its pixels or more, ignored ones left out. Ten windows are tried; the one that is drawn then is taken as it is.
/// </remarks>
/// <param name="Size">Of both sides, in pixels; of the height where <paramref name="Width"/> is given.</param>
/// <param name="Width">Of the width, in pixels; <paramref name="Size"/> when null.</param>
/// <param name="MaxShare">Share that a class must stay below; 1 for any.</param>
/// <param name="Pad">Whether a smaller image is padded; else its sides stay as they are, for a later <c>pad</c>.</param>
/// <param name="Fill">Value of the padding, 0 to 255; the mean of the data when null.</param>
public sealed record RandomDenseCrop(int Size, int? Width = null, double MaxShare = 1, bool Pad = true, int? Fill = null) : ImageTransform
{
    private const int Attempts = 10;

    /// <summary>Of both sides, or of the height, in pixels.</summary>
    public int Size { get; init; } = AtLeastOne(Size, "random_dense_crop", "size");

    /// <summary>Of the width, in pixels; <see cref="Size"/> when null.</summary>
    public int? Width { get; init; } = Width is null ? null : AtLeastOne(Width.Value, "random_dense_crop", "width");

    /// <summary>Share that a class must stay below; 1 for any.</summary>
    public double MaxShare { get; init; } =
        MaxShare is > 0 and <= 1
            ? MaxShare
            : throw new DataException(
                FormattableString.Invariant($"random_dense_crop: max_share of {MaxShare}: it must be above 0 and at most 1")
            );

    /// <summary>Value of the padding; the mean of the data when null.</summary>
    public int? Fill { get; init; } = Byte(Fill, "random_dense_crop");

    /// <inheritdoc/>
    public override string? Obstacle(Annotations annotations) =>
        MaxShare < 1 ? NeedLabelMaps(annotations, "to see how the classes of a window are mixed (max_share)") : null;

    /// <inheritdoc/>
    public override void Apply(Canvas canvas, ref SampleRandom random)
    {
        var image = canvas.Image;
        // What is looked at is the part inside of the image.
        var (height, width) = (Math.Min(Size, image.Height), Math.Min(Width ?? Size, image.Width));
        var (top, left) = Draw(ref random);
        for (var i = 0; MaxShare < 1 && i < Attempts && !IsMixed(canvas, top, left, height, width); i++)
            (top, left) = Draw(ref random);
        Window.CutFilled(canvas, top, left, Pad ? Size : height, Pad ? Width ?? Size : width, Fill);

        (int Top, int Left) Draw(ref SampleRandom random) =>
            (random.Below(image.Height - height + 1), random.Below(image.Width - width + 1));
    }

    private bool IsMixed(Canvas canvas, int top, int left, int height, int width)
    {
        Span<int> counts = stackalloc int[LabelMap.Ignored + 1];
        canvas.CountLabels(top, left, height, width, counts);
        var (classes, most, all) = (0, 0, 0L);
        foreach (var count in counts[..LabelMap.Ignored])
        {
            classes += count > 0 ? 1 : 0;
            most = Math.Max(most, count);
            all += count;
        }
        return classes > 1 && (double)most / all < MaxShare;
    }
}
