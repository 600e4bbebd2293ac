using System.Globalization;
using Tessera.Data;
using Tessera.Data.Imaging;
using Tessera.Training.Drawing;

namespace Tessera.Training.Tasks.Segmentation;

/// <summary>Label maps as pictures.</summary>
/// <param name="colors">Colour of each class.</param>
internal sealed class SegmentationPictures(IReadOnlyList<(byte R, byte G, byte B)> colors)
{
    // Of the colour; the rest is the image.
    private const double Strength = 0.55;
    private const int Swatch = 14,
        Gap = 8,
        Line = 24;

    private static readonly (byte R, byte G, byte B) ink = (28, 36, 48);

    /// <summary>The indices of the classes as a PNG with a palette: 255 has no class.</summary>
    /// <param name="map">Class of each pixel.</param>
    internal byte[] Indices(LabelMap map) =>
        Png.Encode(
            map.Ids,
            map.Size.Height,
            map.Size.Width,
            [.. colors, .. Enumerable.Range(colors.Count, LabelMap.Ignored + 1 - colors.Count).Select(LabelPalette.Color)]
        );

    /// <summary>The colours of a map alone; white has no class.</summary>
    /// <param name="map">Class of each pixel.</param>
    /// <param name="height">Height of the picture.</param>
    /// <param name="width">Width of the picture.</param>
    internal Raster Colors(LabelMap map, int height, int width)
    {
        var result = new Raster(3, height, width);
        result.Values.Fill(byte.MaxValue);
        for (var y = 0; y < height; y++)
        for (var x = 0; x < width; x++)
        {
            var id = At(map, y, x, height, width);
            if (id < colors.Count)
                Set(result, y, x, colors[id]);
        }
        return result;
    }

    /// <summary>An image with each pixel tinted in the colour of its class, above a legend.</summary>
    /// <param name="image">The image, grey or in colours, of any size.</param>
    /// <param name="map">Class of each pixel of its original.</param>
    /// <param name="classes">The classes that occur, with their shares.</param>
    /// <param name="side">Smaller images are magnified by whole numbers up to about this size.</param>
    internal Raster Overlay(Raster image, LabelMap map, IReadOnlyList<ScoredClass> classes, int side)
    {
        var scale = Math.Max(1, side / Math.Max(image.Height, image.Width));
        var (height, width) = (image.Height * scale, image.Width * scale);
        var entries = Legend(classes, width, out var legendWidth, out var legendHeight);
        var result = new Raster(3, height + legendHeight, Math.Max(width, legendWidth));
        result.Values.Fill(byte.MaxValue);
        for (var y = 0; y < height; y++)
        for (var x = 0; x < width; x++)
        {
            var id = At(map, y, x, height, width);
            for (var c = 0; c < 3; c++)
            {
                var pixel = image.Row(image.Channels < 3 ? 0 : c, y / scale)[x / scale];
                result.Row(c, y)[x] = id < colors.Count ? Mixed(pixel, Part(colors[id], c), Strength) : pixel;
            }
        }
        foreach (var (top, left, color, text) in entries)
            Draw(result, height + top, left, color, text);
        return result;
    }

    // Swatches with their texts, row by row.
    private List<(int Top, int Left, (byte R, byte G, byte B) Color, Raster Text)> Legend(
        IReadOnlyList<ScoredClass> classes,
        int width,
        out int usedWidth,
        out int usedHeight
    )
    {
        List<(int Top, int Left, (byte R, byte G, byte B) Color, Raster Text)> entries = [];
        var (top, left) = (Gap, Gap);
        usedWidth = 0;
        foreach (var one in classes)
        {
            var text = TextMask.Draw(string.Create(CultureInfo.InvariantCulture, $"{one.Class} {100 * one.Probability:0.0} %"));
            var needed = Swatch + Gap + text.Width + Gap;
            if (left > Gap && left + needed > width)
                (top, left) = (top + Line, Gap);
            entries.Add((top, left, colors[one.Label], text));
            left += needed + Gap;
            usedWidth = Math.Max(usedWidth, left);
        }
        usedHeight = classes.Count == 0 ? 0 : top + Line;
        return entries;
    }

    private static void Draw(Raster target, int top, int left, (byte R, byte G, byte B) color, Raster text)
    {
        for (var y = 0; y < Swatch; y++)
        for (var x = 0; x < Swatch; x++)
            // An edge, so that a light swatch is seen on the page too.
            Set(target, top + y, left + x, y is 0 or Swatch - 1 || x is 0 or Swatch - 1 ? ink : color);
        var (shiftY, shiftX) = (top + (Swatch - text.Height) / 2, left + Swatch + Gap);
        for (var y = 0; y < text.Height; y++)
        for (var x = 0; x < text.Width; x++)
        {
            var (row, column) = (y + shiftY, x + shiftX);
            if (row < 0 || row >= target.Height || column >= target.Width)
                continue;
            var cover = text.Row(0, y)[x] / 255.0;
            for (var c = 0; c < 3; c++)
                target.Row(c, row)[column] = Mixed(target.Row(c, row)[column], Part(ink, c), cover);
        }
    }

    private static void Set(Raster target, int y, int x, (byte R, byte G, byte B) color)
    {
        for (var c = 0; c < 3; c++)
            target.Row(c, y)[x] = Part(color, c);
    }

    // The class under the centre of a pixel of a picture of some size.
    private static byte At(LabelMap map, int y, int x, int height, int width) =>
        map.Ids[
            (int)((2L * y + 1) * map.Size.Height / (2L * height)) * map.Size.Width + (int)((2L * x + 1) * map.Size.Width / (2L * width))
        ];

    private static byte Part((byte R, byte G, byte B) color, int channel) =>
        channel switch
        {
            0 => color.R,
            1 => color.G,
            _ => color.B,
        };

    private static byte Mixed(byte below, byte above, double share) => (byte)Math.Round(below + share * (above - below));
}
