using Tessera.Data;
using Tessera.Data.Imaging;

namespace Tessera.Training.Drawing;

/// <summary>An object to be drawn.</summary>
/// <param name="Box">In pixels of the original.</param>
/// <param name="Text">A few words in its corner; none when empty.</param>
/// <param name="Color">Of its lines.</param>
/// <param name="IsDashed">Whether its lines are broken.</param>
/// <param name="Mask">Its pixels in the original, which are tinted; null for the box alone.</param>
internal sealed record DrawnObject(
    ObjectBox Box,
    string Text,
    (byte R, byte G, byte B) Color,
    bool IsDashed = false,
    InstanceMask? Mask = null
);

/// <summary>Draws objects over their image.</summary>
internal static class ObjectOverlay
{
    // Of the color; the rest is the image.
    private const double Strength = 0.45;
    private const double Saturation = 0.85;

    // From one hue to the next, as a share of the circle: no few of them are close to each other.
    private const double HueStep = 0.381966;
    private const int Dash = 5,
        Gap = 2,
        MostLetters = 28;

    // Lines and letters of large pictures are larger.
    private const int ThinLine = 2,
        SidePerLine = 400;
    private const string SmallFont = "sans 8",
        LargeFont = "sans 14";

    private static readonly (byte R, byte G, byte B) dark = (20, 24, 32),
        light = (255, 255, 255);

    /// <summary>A bright color for a class, another for each.</summary>
    /// <param name="label">The class, from 0.</param>
    internal static (byte R, byte G, byte B) ColorOf(int label)
    {
        var hue = 6 * (label * HueStep % 1);
        return (Part(5), Part(3), Part(1));

        byte Part(int shift)
        {
            var place = (shift + hue) % 6;
            return (byte)Math.Round(255 * (1 - Saturation * Math.Clamp(Math.Min(place, 4 - place), 0, 1)));
        }
    }

    /// <summary>The image under its objects: masks first, then boxes, then words.</summary>
    /// <param name="image">The image, grey or in colors, of any size.</param>
    /// <param name="original">Size of the original, in whose pixels the objects lie.</param>
    /// <param name="objects">What is drawn, the first below the others.</param>
    /// <param name="scale">Pixels of the picture per pixel of the image.</param>
    internal static Raster Of(Raster image, ImageSize original, IReadOnlyList<DrawnObject> objects, int scale = 1)
    {
        var result = Paint.Enlarged(image, scale);
        var size = new ImageSize(result.Height, result.Width);
        var bitmap = objects.Any(one => one.Mask is not null) ? new byte[result.PlaneSize] : [];
        foreach (var one in objects)
            if (one.Mask is { } mask)
                Tint(result, mask, size, bitmap, one.Color);
        var line = Math.Max(ThinLine, Math.Max(size.Height, size.Width) / SidePerLine);
        // Words lie on top, where they fit.
        var words = new List<(int Top, int Left, Raster Text, (byte R, byte G, byte B) Color)>();
        foreach (var one in objects)
        {
            var (left, right) = (At(one.Box.Left, original.Width, size.Width), At(one.Box.Right, original.Width, size.Width));
            var (top, bottom) = (At(one.Box.Top, original.Height, size.Height), At(one.Box.Bottom, original.Height, size.Height));
            Frame(result, top, left, bottom, right, line, one);
            if (one.Text.Length == 0)
                continue;
            var text = TextMask.Draw(Html.Short(one.Text, MostLetters), line > ThinLine ? LargeFont : SmallFont);
            words.Add(
                (
                    Math.Clamp(top - text.Height - 2 * Gap, 0, Math.Max(0, size.Height - text.Height - 2 * Gap)),
                    Math.Clamp(left, 0, Math.Max(0, size.Width - text.Width - 2 * Gap)),
                    text,
                    one.Color
                )
            );
        }
        foreach (var (top, left, text, color) in words)
        {
            Paint.Fill(result, top, left, text.Height + 2 * Gap, text.Width + 2 * Gap, color);
            Paint.Text(result, top + Gap, left + Gap, text, IsLight(color) ? dark : light);
        }
        return result;
    }

    private static void Tint(Raster picture, InstanceMask mask, ImageSize size, byte[] bitmap, (byte R, byte G, byte B) color)
    {
        mask.Follow(new(ImageView.Full, ImageView.Full, mask.Size), size, bitmap);
        for (var c = 0; c < 3; c++)
        {
            var plane = picture.Plane(c);
            var part = Paint.Part(color, c);
            for (var i = 0; i < plane.Length; i++)
                if (bitmap[i] != 0)
                    plane[i] = Paint.Mixed(plane[i], part, Strength);
        }
    }

    // Numbers far outside of the picture stay in the range of whole numbers.
    private static int At(double place, int original, int size) => (int)Math.Round(Math.Clamp(place / original, -1.0, 2.0) * size);

    private static void Frame(Raster picture, int top, int left, int bottom, int right, int line, DrawnObject one)
    {
        // A box of no width is a line.
        (bottom, right) = (Math.Max(bottom, top + line), Math.Max(right, left + line));
        for (var y = top; y < bottom; y++)
        for (var x = left; x < right; x++)
        {
            // Jumps over what lies inside.
            if (y >= top + line && y < bottom - line && x == left + line)
                x = Math.Max(x, right - line);
            if (!one.IsDashed || (x + y) / Dash % 2 == 0)
                Paint.Set(picture, y, x, one.Color);
        }
    }

    private static bool IsLight((byte R, byte G, byte B) color) => 0.299 * color.R + 0.587 * color.G + 0.114 * color.B > 140;
}
