namespace Tessera.Data;

/// <summary>
/// Which pixel of the original lies under the centre of each pixel of a prepared image: how label maps and masks follow a view.
/// Between two pixels that are as near, it is the lower or right one.
/// </summary>
/// <param name="Rows">Row of the original for each row of the prepared image; -1 where the original is not visible.</param>
/// <param name="Columns">Column of the original for each column; -1 where the original is not visible.</param>
internal readonly record struct ViewPlaces(int[] Rows, int[] Columns)
{
    /// <summary>The places of a prepared image.</summary>
    /// <param name="image">Where it comes from.</param>
    /// <param name="size">Its size.</param>
    /// <param name="original">Size of the map or mask that follows it.</param>
    internal static ViewPlaces Of(PreparedImage image, ImageSize size, ImageSize original)
    {
        var (view, visible) = (image.View, image.Visible);
        return new(
            Places(view.Top, view.Height, visible.Top, visible.Height, original.Height, size.Height),
            Places(view.Left, view.Width, visible.Left, visible.Width, original.Width, size.Width)
        );
    }

    private static int[] Places(double start, double length, double visible, double visibleLength, int original, int count)
    {
        // Fractions are rounded: a centre on the border of two pixels, up to that, belongs to the latter.
        const double Rounding = 1e-6;
        var places = new int[count];
        for (var i = 0; i < count; i++)
        {
            var place = (start + (i + 0.5) / count * length) * original + Rounding;
            var isVisible = place >= visible * original && place < (visible + visibleLength) * original + Rounding;
            places[i] = isVisible ? Math.Min((int)place, original - 1) : -1;
        }
        return places;
    }
}
