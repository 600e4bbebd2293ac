namespace Tessera.Data.Transforms;

/// <summary>How pixels outside of an image are made up.</summary>
public enum Padding
{
    /// <summary>One value everywhere.</summary>
    Constant,

    /// <summary>Mirrored at the border, whose own pixels are not repeated.</summary>
    Reflect,
}

/// <summary>A window at a random position of the padded image.</summary>
/// <param name="Pad">Pixels added at each side.</param>
/// <param name="Size">Side of the window; the image's own height and width when null.</param>
/// <param name="Fill">Value of constant padding, 0 to 255.</param>
/// <param name="Mode">How padding is made up.</param>
public sealed record RandomCrop(int Pad = 0, int? Size = null, int Fill = 0, Padding Mode = Padding.Constant) : MovingTransform
{
    /// <inheritdoc/>
    public override string? TrackingObstacle() =>
        Mode == Padding.Reflect && Pad > 0 ? "its padding shows mirrored parts of the image" : null;

    internal override byte? Border => Mode == Padding.Constant ? (byte)Fill : null;

    internal override PixelMove Draw(int height, int width, ref SampleRandom random)
    {
        var (outHeight, outWidth) = (Size ?? height, Size ?? width);
        if (outHeight > height + 2 * Pad || outWidth > width + 2 * Pad)
            throw new DataException(
                $"random_crop: a window of {outHeight}x{outWidth} does not fit into an image of {height}x{width} "
                    + $"with {Pad} pixels of padding"
            );
        var top = random.Between(-Pad, height + Pad - outHeight);
        var left = random.Between(-Pad, width + Pad - outWidth);
        return new(top, left, outHeight, outWidth);
    }
}

/// <summary>A shift by whole pixels; pixels that enter have one value, and are ignored in label maps.</summary>
/// <param name="Pixels">Largest shift in each direction.</param>
/// <param name="Fill">Value of pixels that enter, 0 to 255.</param>
/// <param name="LabelFactor">
/// How many times as far label maps are shifted, at least 1. TransKD's reference shifts its maps, a quarter as large as the images, by as
/// many of their own pixels as the image is shifted by: that is 4.
/// </param>
public sealed record RandomShift(int Pixels, int Fill = 0, int LabelFactor = 1) : MovingTransform
{
    /// <summary>How many times as far label maps are shifted.</summary>
    public int LabelFactor { get; init; } = AtLeastOne(LabelFactor, "random_shift", "label_factor");

    /// <inheritdoc/>
    public override string? Obstacle(Annotations annotations) =>
        LabelFactor == 1 ? null : NeedLabelMaps(annotations, "to shift them otherwise than images (label_factor)");

    internal override byte? Border => (byte)Fill;

    internal override PixelMove Draw(int height, int width, ref SampleRandom random)
    {
        var (down, right) = (random.Between(-Pixels, Pixels), random.Between(-Pixels, Pixels));
        return new(down, right, height, width, LabelDown: (LabelFactor - 1) * down, LabelRight: (LabelFactor - 1) * right);
    }
}
