namespace Tessera.Data;

/// <summary>
/// Which part of its original an image shows, in fractions of the original's sides: the point (u, v) of the image lies at
/// (Top + u Height, Left + v Width) of the original. A side is negative where the image is mirrored.
/// </summary>
/// <param name="Top">Where the upper edge lies.</param>
/// <param name="Left">Where the left edge lies.</param>
/// <param name="Height">From the upper to the lower edge.</param>
/// <param name="Width">From the left to the right edge.</param>
public readonly record struct ImageView(double Top, double Left, double Height, double Width)
{
    /// <summary>All of it.</summary>
    public static ImageView Full { get; } = new(0, 0, 1, 1);

    /// <summary>A window of this view, in fractions of its sides; it may reach over the edges.</summary>
    public ImageView Window(double top, double left, double height, double width) =>
        new(Top + top * Height, Left + left * Width, height * Height, width * Width);

    /// <summary>A window of an image that shows this view, in its pixels.</summary>
    internal ImageView Cut(int top, int left, int height, int width, int ofHeight, int ofWidth) =>
        Window(top / (double)ofHeight, left / (double)ofWidth, height / (double)ofHeight, width / (double)ofWidth);

    /// <summary>
    /// The part of the original that this one and another have in common, not mirrored; of no height or width where there is none.
    /// </summary>
    public ImageView Intersect(ImageView other)
    {
        var (top, height) = Intersect(Top, Height, other.Top, other.Height);
        var (left, width) = Intersect(Left, Width, other.Left, other.Width);
        return new(top, left, height, width);
    }

    private static (double Start, double Length) Intersect(double start, double length, double otherStart, double otherLength)
    {
        var low = Math.Max(Math.Min(start, start + length), Math.Min(otherStart, otherStart + otherLength));
        var high = Math.Min(Math.Max(start, start + length), Math.Max(otherStart, otherStart + otherLength));
        return (low, Math.Max(0, high - low));
    }

    /// <summary>Whether it is a mirror image of the original, and no turned one: one of the two axes is exchanged, not both.</summary>
    public bool IsMirrored => Height < 0 != Width < 0;

    /// <summary>Left and right exchanged.</summary>
    public ImageView Mirrored => this with { Left = Left + Width, Width = -Width };

    /// <summary>Top and bottom exchanged.</summary>
    public ImageView Overturned => this with { Top = Top + Height, Height = -Height };
}
