namespace Tessera.Data.Imaging;

/// <summary>
/// Saturation and hue in OpenCV's 8-bit HSV space: 180 hues, and a saturation of 0 to 255. Grey images have neither and stay as they are.
/// </summary>
internal static class HsvOps
{
    /// <summary>Steps of the colour circle.</summary>
    internal const int Hues = 180;

    private const int Bits = 12;
    private const int Half = 1 << (Bits - 1);

    // 255 / value and 30 / range in fixed point; 0 for 0.
    private static readonly int[] saturations = Quotients(255);
    private static readonly int[] hues = Quotients(Hues / 6.0);

    private static int[] Quotients(double numerator) =>
        [.. Enumerable.Range(0, 256).Select(i => i == 0 ? 0 : (int)Math.Round(numerator * (1 << Bits) / i, MidpointRounding.ToEven))];

    /// <summary>Multiplies the saturation, which is cut to 255.</summary>
    internal static void Saturate(Raster image, float factor) => Change(image, factor, 0);

    /// <summary>Turns the hue by some of its 180 steps.</summary>
    internal static void Turn(Raster image, int steps) => Change(image, 1, steps);

    private static void Change(Raster image, float factor, int steps)
    {
        if (image.Channels != 3)
            return;
        var turn = (steps % Hues + Hues) % Hues;
        Span<byte> red = image.Plane(0),
            green = image.Plane(1),
            blue = image.Plane(2);
        for (var i = 0; i < red.Length; i++)
        {
            var (hue, saturation, value) = ToHsv(red[i], green[i], blue[i]);
            hue += turn;
            saturation = (int)Math.Min(255, saturation * factor);
            (red[i], green[i], blue[i]) = ToRgb(hue < Hues ? hue : hue - Hues, saturation, value);
        }
    }

    private static (int Hue, int Saturation, int Value) ToHsv(int r, int g, int b)
    {
        var value = Math.Max(r, Math.Max(g, b));
        var range = value - Math.Min(r, Math.Min(g, b));
        var saturation = (range * saturations[value] + Half) >> Bits;
        var place =
            value == r ? g - b
            : value == g ? b - r + 2 * range
            : r - g + 4 * range;
        var hue = (place * hues[range] + Half) >> Bits;
        return (hue < 0 ? hue + Hues : hue, saturation, value);
    }

    private static (byte R, byte G, byte B) ToRgb(int hue, int saturation, int value)
    {
        if (saturation == 0)
            return ((byte)value, (byte)value, (byte)value);
        var place = hue * (6f / Hues);
        var sector = (int)place;
        var f = place - sector;
        var (s, v) = (saturation * (1 / 255f), value * (1 / 255f));
        var (top, p, q, t) = (Byte(v), Byte(v * (1 - s)), Byte(v * (1 - s * f)), Byte(v * (1 - s * (1 - f))));
        return sector switch
        {
            0 => (top, t, p),
            1 => (q, top, p),
            2 => (p, top, t),
            3 => (p, q, top),
            4 => (t, p, top),
            _ => (top, p, q),
        };
    }

    private static byte Byte(float value) => (byte)Math.Clamp((int)MathF.Round(value * 255, MidpointRounding.ToEven), 0, 255);
}
