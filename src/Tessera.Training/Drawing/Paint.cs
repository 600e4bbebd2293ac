using Tessera.Data.Imaging;

namespace Tessera.Training.Drawing;

/// <summary>Colours on pictures of three channels; what lies outside of a picture is left out.</summary>
internal static class Paint
{
    /// <summary>One of the three values of a color.</summary>
    internal static byte Part((byte R, byte G, byte B) color, int channel) =>
        channel switch
        {
            0 => color.R,
            1 => color.G,
            _ => color.B,
        };

    /// <summary>A value over another.</summary>
    /// <param name="below">What is there.</param>
    /// <param name="above">What is laid over it.</param>
    /// <param name="share">Of what is above, from 0 to 1.</param>
    internal static byte Mixed(byte below, byte above, double share) => (byte)Math.Round(below + share * (above - below));

    /// <summary>Gives a pixel a color.</summary>
    internal static void Set(Raster target, int y, int x, (byte R, byte G, byte B) color)
    {
        if (y < 0 || x < 0 || y >= target.Height || x >= target.Width)
            return;
        for (var c = 0; c < 3; c++)
            target.Row(c, y)[x] = Part(color, c);
    }

    /// <summary>Fills a rectangle.</summary>
    internal static void Fill(Raster target, int top, int left, int height, int width, (byte R, byte G, byte B) color)
    {
        for (var y = top; y < top + height; y++)
        for (var x = left; x < left + width; x++)
            Set(target, y, x, color);
    }

    /// <summary>Draws a line of text.</summary>
    /// <param name="target">The picture.</param>
    /// <param name="top">Where the upper edge of the text lies.</param>
    /// <param name="left">Where its left edge lies.</param>
    /// <param name="text">How much of each pixel it covers, from 0 to 255.</param>
    /// <param name="color">Its color.</param>
    internal static void Text(Raster target, int top, int left, Raster text, (byte R, byte G, byte B) color)
    {
        for (var y = 0; y < text.Height; y++)
        for (var x = 0; x < text.Width; x++)
        {
            var (row, column) = (y + top, x + left);
            if (row < 0 || column < 0 || row >= target.Height || column >= target.Width)
                continue;
            var cover = text.Row(0, y)[x] / 255.0;
            for (var c = 0; c < 3; c++)
                target.Row(c, row)[column] = Mixed(target.Row(c, row)[column], Part(color, c), cover);
        }
    }

    /// <summary>An image as a picture of three channels, each pixel of it as a square.</summary>
    /// <param name="image">The image, grey or in colors.</param>
    /// <param name="scale">Pixels of the picture per pixel of the image.</param>
    /// <param name="below">Rows that are added below, in white.</param>
    /// <param name="width">Columns of the picture; those of the image where that is more.</param>
    internal static Raster Enlarged(Raster image, int scale, int below = 0, int width = 0)
    {
        var (height, used) = (image.Height * scale, image.Width * scale);
        var result = new Raster(3, height + below, Math.Max(width, used));
        result.Values.Fill(byte.MaxValue);
        for (var c = 0; c < 3; c++)
        for (var y = 0; y < height; y++)
        {
            ReadOnlySpan<byte> source = image.Row(image.Channels < 3 ? 0 : c, y / scale);
            var row = result.Row(c, y);
            for (var x = 0; x < used; x++)
                row[x] = source[x / scale];
        }
        return result;
    }
}
