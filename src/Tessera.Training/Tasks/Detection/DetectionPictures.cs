using System.Globalization;
using Tessera.Data;
using Tessera.Data.Imaging;

namespace Tessera.Training.Tasks.Detection;

/// <summary>An object as a picture shows it.</summary>
/// <param name="Box">In pixels of the original.</param>
/// <param name="Class">Its class.</param>
/// <param name="Score">Beside the name of the class; null for none.</param>
/// <param name="Mask">Which pixels are tinted; null for none.</param>
internal sealed record DrawnObject(ObjectBox Box, int Class, double? Score = null, InstanceMask? Mask = null)
{
    internal static DrawnObject Of(DetectedObject one) => new(one.Box, one.Class, one.Score, one.Mask);

    internal static DrawnObject Of(ImageObject one) => new(one.Box, one.Class, null, one.Mask);
}

/// <summary>Objects as pictures: boxes and masks in the colours of their classes, with names and scores.</summary>
/// <param name="classes">Names of the classes.</param>
/// <param name="colors">Colour of each class.</param>
internal sealed class DetectionPictures(IReadOnlyList<string> classes, IReadOnlyList<(byte R, byte G, byte B)> colors)
{
    // Of the colour over a mask; the rest is the image.
    private const double Strength = 0.45;
    private const int Margin = 2;

    // A line for so many pixels of the longer side.
    private const int SidePerLine = 400;

    // From this brightness on, letters on a colour are dark.
    private const double Bright = 140;

    private static readonly (byte R, byte G, byte B) ink = (16, 20, 28),
        paper = (255, 255, 255);

    // Drawing text takes longer than a box.
    private readonly Dictionary<string, Raster> texts = [];

    /// <summary>An image with objects; the surest lie above the others.</summary>
    /// <param name="image">The image, grey or in colours, of any size.</param>
    /// <param name="original">Size of the original, by whose pixels boxes are given.</param>
    /// <param name="objects">The surest first.</param>
    /// <param name="side">Smaller images are magnified by whole numbers up to about this size.</param>
    internal Raster Draw(Raster image, ImageSize original, IReadOnlyList<DrawnObject> objects, int side)
    {
        var scale = Math.Max(1, side / Math.Max(image.Height, image.Width));
        var result = Magnified(image, scale);
        var line = Math.Max(1, Math.Max(result.Height, result.Width) / SidePerLine);
        var covered = objects.Any(one => one.Mask is not null) ? new byte[result.PlaneSize] : [];
        foreach (var one in objects.Reverse())
            if (one.Mask is { } mask)
                Tint(result, mask, ColorOf(one), covered);
        foreach (var one in objects.Reverse())
        {
            var place = Place(one.Box, original, result);
            Frame(result, place, line, ColorOf(one));
            Label(result, place, line, ColorOf(one), Text(one));
        }
        return result;
    }

    private (byte R, byte G, byte B) ColorOf(DrawnObject one) => colors[one.Class];

    private string Text(DrawnObject one) =>
        one.Score is { } score ? string.Create(CultureInfo.InvariantCulture, $"{classes[one.Class]} {score:0.00}") : classes[one.Class];

    private static Raster Magnified(Raster image, int scale)
    {
        var result = new Raster(3, image.Height * scale, image.Width * scale);
        for (var c = 0; c < 3; c++)
        for (var y = 0; y < result.Height; y++)
        {
            ReadOnlySpan<byte> source = image.Row(image.Channels < 3 ? 0 : c, y / scale);
            var target = result.Row(c, y);
            for (var x = 0; x < target.Length; x++)
                target[x] = source[x / scale];
        }
        return result;
    }

    // Whole pixels of the picture, at least one: a box is never drawn outside.
    private static (int Left, int Top, int Right, int Bottom) Place(ObjectBox box, ImageSize original, Raster picture)
    {
        var (across, down) = (picture.Width / (double)original.Width, picture.Height / (double)original.Height);
        var left = Math.Clamp((int)Math.Floor(box.Left * across), 0, picture.Width - 1);
        var top = Math.Clamp((int)Math.Floor(box.Top * down), 0, picture.Height - 1);
        return (
            left,
            top,
            Math.Clamp((int)Math.Ceiling(box.Right * across), left + 1, picture.Width),
            Math.Clamp((int)Math.Ceiling(box.Bottom * down), top + 1, picture.Height)
        );
    }

    // The memory for what a mask covers is used again: there may be a hundred of them.
    private static void Tint(Raster picture, InstanceMask mask, (byte R, byte G, byte B) color, byte[] covered)
    {
        mask.Follow(new PreparedImage(ImageView.Full, ImageView.Full, mask.Size), new(picture.Height, picture.Width), covered);
        for (var c = 0; c < 3; c++)
        {
            var plane = picture.Plane(c);
            var part = Part(color, c);
            for (var i = 0; i < plane.Length; i++)
                if (covered[i] != 0)
                    plane[i] = Mixed(plane[i], part, Strength);
        }
    }

    private static void Frame(Raster picture, (int Left, int Top, int Right, int Bottom) place, int line, (byte R, byte G, byte B) color)
    {
        Fill(picture, place with { Bottom = Math.Min(place.Bottom, place.Top + line) }, color);
        Fill(picture, place with { Top = Math.Max(place.Top, place.Bottom - line) }, color);
        Fill(picture, place with { Right = Math.Min(place.Right, place.Left + line) }, color);
        Fill(picture, place with { Left = Math.Max(place.Left, place.Right - line) }, color);
    }

    private static void Fill(Raster picture, (int Left, int Top, int Right, int Bottom) place, (byte R, byte G, byte B) color)
    {
        for (var c = 0; c < 3; c++)
        for (var y = place.Top; y < place.Bottom; y++)
            picture.Row(c, y)[place.Left..place.Right].Fill(Part(color, c));
    }

    // Above the box, or inside of it where the image ends.
    private void Label(
        Raster picture,
        (int Left, int Top, int Right, int Bottom) place,
        int line,
        (byte R, byte G, byte B) color,
        string text
    )
    {
        if (!texts.TryGetValue(text, out var letters))
            texts[text] = letters = TextMask.Draw(text, line > 2 ? "sans 14" : "sans 9");
        var (height, width) = (letters.Height + 2 * Margin, letters.Width + 2 * Margin);
        var top = place.Top - height >= 0 ? place.Top - height : Math.Min(place.Top, Math.Max(0, picture.Height - height));
        var left = Math.Clamp(place.Left, 0, Math.Max(0, picture.Width - width));
        Fill(picture, (left, top, Math.Min(picture.Width, left + width), Math.Min(picture.Height, top + height)), color);
        var brightness = 0.299 * color.R + 0.587 * color.G + 0.114 * color.B;
        var pen = brightness >= Bright ? ink : paper;
        for (var y = 0; y < letters.Height && top + Margin + y < picture.Height; y++)
        for (var x = 0; x < letters.Width && left + Margin + x < picture.Width; x++)
        {
            var cover = letters.Row(0, y)[x] / 255.0;
            for (var c = 0; c < 3; c++)
            {
                ref var pixel = ref picture.Row(c, top + Margin + y)[left + Margin + x];
                pixel = Mixed(pixel, Part(pen, c), cover);
            }
        }
    }

    private static byte Part((byte R, byte G, byte B) color, int channel) =>
        channel switch
        {
            0 => color.R,
            1 => color.G,
            _ => color.B,
        };

    private static byte Mixed(byte below, byte above, double share) => (byte)Math.Round(below + share * (above - below));
}
