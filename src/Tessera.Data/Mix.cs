namespace Tessera.Data;

/// <summary>How one image is mixed with its partner: by shares of all values, or by a box.</summary>
/// <param name="Share">Of the image itself.</param>
/// <param name="Box">Where the other image is pasted in; null for mixing values.</param>
public readonly record struct Mix(double Share, MixBox? Box = null)
{
    /// <summary>Nothing of the partner.</summary>
    public static Mix None { get; } = new(1);

    /// <summary>A mix by a box of given centre, clipped to the image; the share becomes the part that is left of the image.</summary>
    /// <param name="share">Of the image, before clipping.</param>
    /// <param name="centerY">Row of the centre.</param>
    /// <param name="centerX">Column of the centre.</param>
    /// <param name="height">Of the image.</param>
    /// <param name="width">Of the image.</param>
    public static Mix Cut(double share, int centerY, int centerX, int height, int width)
    {
        var ratio = Math.Sqrt(1 - share);
        var (cutHeight, cutWidth) = ((int)(height * ratio), (int)(width * ratio));
        return Pasted(
            new(
                Math.Clamp(centerY - cutHeight / 2, 0, height),
                Math.Clamp(centerY + cutHeight / 2, 0, height),
                Math.Clamp(centerX - cutWidth / 2, 0, width),
                Math.Clamp(centerX + cutWidth / 2, 0, width)
            ),
            height,
            width
        );
    }

    internal static Mix Pasted(MixBox box, int height, int width) =>
        new(1 - (double)(box.Bottom - box.Top) * (box.Right - box.Left) / ((double)height * width), box);
}

/// <summary>Rows and columns of a box; the ends are not included.</summary>
public readonly record struct MixBox(int Top, int Bottom, int Left, int Right);
