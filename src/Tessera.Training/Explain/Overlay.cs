using Tessera.Models;
using Tessera.Training.Drawing;

namespace Tessera.Training.Explain;

/// <summary>An image with a map laid over it.</summary>
internal static class Overlay
{
    private const double Opacity = 0.68;
    private const double Absent = 0.2;

    private static readonly (double R, double G, double B)[] heat =
    [
        (0, 0, 4),
        (40, 11, 84),
        (101, 21, 110),
        (159, 42, 99),
        (212, 72, 66),
        (245, 125, 21),
        (250, 193, 39),
        (252, 255, 164),
    ];

    /// <summary>As a PNG.</summary>
    /// <param name="pixels">[H, W, C] of the image.</param>
    /// <param name="height">H.</param>
    /// <param name="width">W.</param>
    /// <param name="channels">C.</param>
    /// <param name="map">Null for the image alone.</param>
    /// <param name="side">Smaller images are magnified by whole numbers up to about this size.</param>
    internal static byte[] Draw(ReadOnlySpan<byte> pixels, int height, int width, int channels, HeatMap? map, int side = 128)
    {
        var scale = Math.Max(1, side / Math.Max(height, width));
        var (h, w) = (height * scale, width * scale);
        var result = new byte[h * w * 3];
        for (var y = 0; y < h; y++)
        for (var x = 0; x < w; x++)
        {
            var at = (y / scale * width + x / scale) * channels;
            var (r, g, b) = channels == 1 ? (pixels[at], pixels[at], pixels[at]) : (pixels[at], pixels[at + 1], pixels[at + 2]);
            var target = result.AsSpan((y * w + x) * 3, 3);
            if (map is null)
                (target[0], target[1], target[2]) = (r, g, b);
            else if (map.IsPresence)
                Keep(target, (r, g, b), Cell(map, (y + 0.5) / h, (x + 0.5) / w) > 0 ? 1 : Absent);
            else
                Blend(target, (r + g + b) / 3.0, Sample(map, (y + 0.5) / h, (x + 0.5) / w));
        }
        if (map is null)
            return Png.Encode(result, h, w, 3);
        foreach (var area in map.Areas)
            Outline(result, h, w, area);
        // The point that all others belong to comes last, on top.
        foreach (var place in map.Places.OrderBy(p => p.Weight > 1))
            Dot(result, h, w, place);
        return Png.Encode(result, h, w, 3);
    }

    private static void Keep(Span<byte> target, (byte R, byte G, byte B) pixel, double share) =>
        (target[0], target[1], target[2]) = ((byte)(pixel.R * share), (byte)(pixel.G * share), (byte)(pixel.B * share));

    private static double Cell(HeatMap map, double y, double x) =>
        map.Values[Math.Min((int)(y * map.Height), map.Height - 1) * map.Width + Math.Min((int)(x * map.Width), map.Width - 1)];

    private static void Outline(byte[] pixels, int height, int width, Insight.Area area)
    {
        var (left, right) = (Math.Clamp((int)(area.Left * width), 0, width - 1), Math.Clamp((int)(area.Right * width), 0, width - 1));
        var (top, bottom) = (Math.Clamp((int)(area.Top * height), 0, height - 1), Math.Clamp((int)(area.Bottom * height), 0, height - 1));
        for (var x = left; x <= right; x++)
            foreach (var y in new[] { top, bottom })
                Lighten(pixels, (y * width + x) * 3);
        for (var y = top; y <= bottom; y++)
            foreach (var x in new[] { left, right })
                Lighten(pixels, (y * width + x) * 3);
    }

    // Neighbours share their lines: half way to white whatever was there, once.
    private static void Lighten(byte[] pixels, int at) =>
        (pixels[at], pixels[at + 1], pixels[at + 2]) = (Half(pixels[at]), Half(pixels[at + 1]), Half(pixels[at + 2]));

    private static byte Half(byte value) => (byte)Math.Max(value, (value + 255) / 2);

    private static void Dot(byte[] pixels, int height, int width, Insight.Place place)
    {
        var own = place.Weight > 1;
        var radius = own ? 5 : 1.5 + 4 * Math.Sqrt(place.Weight);
        var (centreX, centreY) = (place.X * width, place.Y * height);
        for (var y = Math.Max(0, (int)(centreY - radius)); y <= Math.Min(height - 1, (int)(centreY + radius)); y++)
        for (var x = Math.Max(0, (int)(centreX - radius)); x <= Math.Min(width - 1, (int)(centreX + radius)); x++)
        {
            var distance = Math.Sqrt(Math.Pow(x + 0.5 - centreX, 2) + Math.Pow(y + 0.5 - centreY, 2));
            if (distance > radius)
                continue;
            var (r, g, b) =
                distance > radius - 1 ? ((byte)0, (byte)0, (byte)0)
                : own ? ((byte)60, (byte)220, (byte)255)
                : ((byte)255, (byte)190, (byte)40);
            (pixels[(y * width + x) * 3], pixels[(y * width + x) * 3 + 1], pixels[(y * width + x) * 3 + 2]) = (r, g, b);
        }
    }

    private static void Blend(Span<byte> target, double grey, double value)
    {
        var place = value * (heat.Length - 1);
        var (low, part) = (Math.Min((int)place, heat.Length - 2), place - Math.Min((int)place, heat.Length - 2));
        var (a, b) = (heat[low], heat[low + 1]);
        target[0] = Mix(a.R, b.R);
        target[1] = Mix(a.G, b.G);
        target[2] = Mix(a.B, b.B);

        byte Mix(double from, double to) => (byte)Math.Clamp((1 - Opacity) * grey + Opacity * (from + (to - from) * part), 0, 255);
    }

    // Bilinear between the centres of the grid's cells.
    private static double Sample(HeatMap map, double y, double x)
    {
        var (row, column) = (Math.Clamp(y * map.Height - 0.5, 0, map.Height - 1), Math.Clamp(x * map.Width - 0.5, 0, map.Width - 1));
        var (top, left) = ((int)row, (int)column);
        var (bottom, right) = (Math.Min(top + 1, map.Height - 1), Math.Min(left + 1, map.Width - 1));
        var (dy, dx) = (row - top, column - left);
        double At(int r, int c) => map.Values[r * map.Width + c];
        return (At(top, left) * (1 - dx) + At(top, right) * dx) * (1 - dy) + (At(bottom, left) * (1 - dx) + At(bottom, right) * dx) * dy;
    }
}
