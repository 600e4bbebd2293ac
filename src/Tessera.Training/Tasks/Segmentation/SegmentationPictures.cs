using System.Globalization;
using Tessera.Data;
using Tessera.Data.Imaging;
using Tessera.Training.Drawing;

namespace Tessera.Training.Tasks.Segmentation;

/// <summary>Label maps as pictures.</summary>
/// <param name="colors">Colour of each class.</param>
internal sealed class SegmentationPictures(IReadOnlyList<(byte R, byte G, byte B)> colors)
{
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
            var id = MapOverlay.At(map, y, x, height, width);
            if (id < colors.Count)
                Paint.Set(result, y, x, colors[id]);
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
        var result = MapOverlay.Of(image, map, colors, scale, legendHeight, legendWidth);
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
        // An edge, so that a light swatch is seen on the page too.
        Paint.Fill(target, top, left, Swatch, Swatch, ink);
        Paint.Fill(target, top + 1, left + 1, Swatch - 2, Swatch - 2, color);
        Paint.Text(target, top + (Swatch - text.Height) / 2, left + Swatch + Gap, text, ink);
    }
}
