namespace Tessera.Data.Imaging;

/// <summary>Pillow's approximation of a Gaussian blur by three box blurs in each direction, bit for bit.</summary>
public static class GaussianBlur
{
    private const int Passes = 3;

    /// <summary>Blurs with the given standard deviation in pixels.</summary>
    public static void Apply(Canvas canvas, float deviation)
    {
        if (!(deviation > 0))
            return;
        var radius = BoxRadius(deviation);
        var image = canvas.Image;
        var line = new byte[Math.Max(image.Height, image.Width)];
        var result = new byte[line.Length];
        for (var c = 0; c < image.Channels; c++)
        {
            for (var y = 0; y < image.Height; y++)
            {
                var row = image.Row(c, y);
                for (var pass = 0; pass < Passes; pass++)
                {
                    row.CopyTo(line);
                    Box(line.AsSpan(0, row.Length), row, radius);
                }
            }
            var plane = image.Plane(c);
            var (height, width) = (image.Height, image.Width);
            for (var x = 0; x < width; x++)
            {
                for (var y = 0; y < height; y++)
                    line[y] = plane[y * width + x];
                for (var pass = 0; pass < Passes; pass++)
                {
                    Box(line.AsSpan(0, height), result.AsSpan(0, height), radius);
                    (line, result) = (result, line);
                }
                for (var y = 0; y < height; y++)
                    plane[y * width + x] = line[y];
            }
        }
    }

    private static float BoxRadius(float deviation)
    {
        var variance = deviation * deviation / Passes;
        var length = (float)Math.Sqrt(12.0 * variance + 1.0);
        var whole = (float)Math.Floor((length - 1.0) / 2.0);
        var part = (2 * whole + 1) * (whole * (whole + 1) - 3 * variance);
        part /= 6 * (variance - (whole + 1) * (whole + 1));
        return whole + part;
    }

    // A running sum of whole pixels plus a fraction of the two at the ends, in fixed point of 24 bits; the border is replicated.
    private static void Box(ReadOnlySpan<byte> source, Span<byte> target, float radius)
    {
        var whole = (int)radius;
        var weight = (uint)((1 << 24) / (radius * 2 + 1));
        var edge = ((1u << 24) - (uint)(whole * 2 + 1) * weight) / 2;
        var last = source.Length - 1;
        uint sum = 0;
        for (var k = -whole; k <= whole; k++)
            sum += source[Math.Clamp(k, 0, last)];
        for (var x = 0; x <= last; x++)
        {
            var (left, right) = (source[Math.Clamp(x - whole - 1, 0, last)], source[Math.Clamp(x + whole + 1, 0, last)]);
            target[x] = (byte)((sum * weight + (uint)(left + right) * edge + (1u << 23)) >> 24);
            sum += right;
            sum -= source[Math.Clamp(x - whole, 0, last)];
        }
    }
}
