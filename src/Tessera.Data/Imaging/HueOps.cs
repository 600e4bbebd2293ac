namespace Tessera.Data.Imaging;

/// <summary>Rotation of hue in Pillow's 8-bit HSV space, bit for bit.</summary>
public static class HueOps
{
    /// <summary>Turns the hue by a share of the colour circle, -0.5 to 0.5. Grey images have none.</summary>
    public static void Rotate(Raster image, double share)
    {
        if (image.Channels != 3)
            return;
        var shift = (byte)(int)(share * 255);
        Span<byte> red = image.Plane(0),
            green = image.Plane(1),
            blue = image.Plane(2);
        for (var i = 0; i < red.Length; i++)
        {
            var (hue, saturation, value) = ToHsv(red[i], green[i], blue[i]);
            (red[i], green[i], blue[i]) = ToRgb((byte)(hue + shift), saturation, value);
        }
    }

    private static (byte Hue, byte Saturation, byte Value) ToHsv(byte r, byte g, byte b)
    {
        var (max, min) = (Math.Max(r, Math.Max(g, b)), Math.Min(r, Math.Min(g, b)));
        if (max == min)
            return (0, 0, max);
        var range = (float)(max - min);
        var saturation = range / max;
        var (rc, gc, bc) = ((max - r) / range, (max - g) / range, (max - b) / range);
        // Sums and remainder in double, rounded to single after each, as Pillow's C code computes.
        var hue =
            r == max ? bc - gc
            : g == max ? (float)(2.0 + rc - bc)
            : (float)(4.0 + gc - rc);
        hue = (float)((hue / 6.0 + 1.0) % 1.0);
        return ((byte)Math.Clamp((int)(hue * 255.0), 0, 255), (byte)Math.Clamp((int)(saturation * 255.0), 0, 255), max);
    }

    private static (byte R, byte G, byte B) ToRgb(byte hue, byte saturation, byte value)
    {
        if (saturation == 0)
            return (value, value, value);
        var sector = (int)Math.Floor((float)hue * 6.0 / 255.0);
        var f = (float)((float)hue * 6.0 / 255.0 - (float)sector);
        var fs = (float)((float)saturation / 255.0);
        var p = Round(value * (1.0 - fs));
        var q = Round(value * (1.0 - fs * f));
        var t = Round(value * (1.0 - fs * (1.0 - f)));
        return (sector % 6) switch
        {
            0 => (value, t, p),
            1 => (q, value, p),
            2 => (p, value, t),
            3 => (p, q, value),
            4 => (t, p, value),
            _ => (value, p, q),
        };
    }

    private static byte Round(double value) => (byte)Math.Clamp((int)Math.Floor(value + 0.5), 0, 255);
}
