using Tessera.Data;

namespace Tessera.Training.Tasks.Detection;

/// <summary>
/// Brings boxes of a prepared image back to the pixels of its original: what transforms have resized, mirrored, cut out or moved is undone.
/// </summary>
/// <param name="origin">What the prepared image shows, without the padding of a batch.</param>
/// <param name="prepared">Its size.</param>
internal readonly struct OriginalBoxes(PreparedImage origin, ImageSize prepared)
{
    /// <summary>Whether left and right are exchanged.</summary>
    internal bool IsMirrored => origin.View.Width < 0;

    /// <summary>Whether top and bottom are exchanged.</summary>
    internal bool IsOverturned => origin.View.Height < 0;

    /// <summary>Size of the original.</summary>
    internal ImageSize Size => origin.Original;

    /// <summary>A box in pixels of the original, also where nothing of it was visible.</summary>
    internal ObjectBox Whole(double left, double top, double right, double bottom)
    {
        var (view, size) = (origin.View, origin.Original);
        var (x0, x1) = Back(left, right, view.Left, view.Width, prepared.Width, size.Width);
        var (y0, y1) = Back(top, bottom, view.Top, view.Height, prepared.Height, size.Height);
        return new(x0, y0, x1, y1);
    }

    /// <summary>The visible part of a box of the original; null where none is.</summary>
    internal ObjectBox? Seen(ObjectBox box)
    {
        var (visible, size) = (origin.Visible, origin.Original);
        var (left, right) = Clip(box.Left, box.Right, visible.Left * size.Width, (visible.Left + visible.Width) * size.Width, size.Width);
        var (top, bottom) = Clip(box.Top, box.Bottom, visible.Top * size.Height, (visible.Top + visible.Height) * size.Height, size.Height);
        return right > left && bottom > top ? new ObjectBox(left, top, right, bottom) : null;
    }

    private static (double Low, double High) Back(double low, double high, double start, double length, int from, int to)
    {
        var (a, b) = ((start + low / from * length) * to, (start + high / from * length) * to);
        // A mirrored view exchanges the edges.
        return a <= b ? (a, b) : (b, a);
    }

    // Fractions are rounded: an edge of the original is met exactly.
    private const double Rounding = 1e-6;

    private static (double Low, double High) Clip(double low, double high, double least, double most, int size) =>
        (Math.Clamp(low, Edge(least, size), Edge(most, size)), Math.Clamp(high, Edge(least, size), Edge(most, size)));

    private static double Edge(double place, int size) =>
        Math.Abs(place - size) < Rounding ? size
        : Math.Abs(place) < Rounding ? 0
        : Math.Clamp(place, 0, size);
}
