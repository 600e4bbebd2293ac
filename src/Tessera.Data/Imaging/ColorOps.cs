using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Tessera.Data.Imaging;

/// <summary>
/// Operations on the values of 8-bit images, equal to Pillow's (ImageOps, ImageEnhance) bit for bit. They work in place, on grey
/// and colour images; "luma" is the grey value of ITU-R 601-2 in Pillow's fixed-point arithmetic.
/// </summary>
public static class ColorOps
{
    /// <summary>The grey value of a colour.</summary>
    public static byte Luma(byte red, byte green, byte blue) => (byte)((19595 * red + 38470 * green + 7471 * blue + 32768) >> 16);

    /// <summary>Grey in all channels; the number of channels stays.</summary>
    public static void Grayscale(Raster image) => Saturation(image, 0);

    /// <summary>Brightness: 0 black, 1 unchanged, above brighter.</summary>
    public static void Brightness(Raster image, float factor) => BlendWith(image, 0, factor);

    /// <summary>Contrast: 0 the mean grey everywhere, 1 unchanged.</summary>
    public static void Contrast(Raster image, float factor)
    {
        if (factor == 1)
            return;
        long sum = 0;
        if (image.Channels == 1)
        {
            foreach (var value in image.Values)
                sum += value;
        }
        else
        {
            RequireColor(image);
            Span<byte> red = image.Plane(0),
                green = image.Plane(1),
                blue = image.Plane(2);
            var i = 0;
            for (; i <= red.Length - Lanes.Count; i += Lanes.Count)
                sum += Vector256.Sum(Lumas(ref red[i], ref green[i], ref blue[i], 0));
            for (; i < red.Length; i++)
                sum += Luma(red[i], green[i], blue[i]);
        }
        BlendWith(image, (byte)((double)sum / image.PlaneSize + 0.5), factor);
    }

    /// <summary>Saturation: 0 grey, 1 unchanged. Grey images have none.</summary>
    public static void Saturation(Raster image, float factor)
    {
        if (image.Channels == 1 || factor == 1)
            return;
        RequireColor(image);
        Span<byte> red = image.Plane(0),
            green = image.Plane(1),
            blue = image.Plane(2);
        ref byte r = ref MemoryMarshal.GetReference(red),
            g = ref MemoryMarshal.GetReference(green),
            b = ref MemoryMarshal.GetReference(blue);
        var i = 0;
        for (; i <= red.Length - Lanes.Count; i += Lanes.Count)
        {
            var gray = Vector256.ConvertToSingle(Lumas(ref r, ref g, ref b, i));
            Lanes.Store(Blend(gray, Lanes.Load(ref r, i), factor), ref r, i);
            Lanes.Store(Blend(gray, Lanes.Load(ref g, i), factor), ref g, i);
            Lanes.Store(Blend(gray, Lanes.Load(ref b, i), factor), ref b, i);
        }
        for (; i < red.Length; i++)
        {
            var gray = Luma(red[i], green[i], blue[i]);
            (red[i], green[i], blue[i]) = (Blend(gray, red[i], factor), Blend(gray, green[i], factor), Blend(gray, blue[i], factor));
        }
    }

    /// <summary>Sharpness: 0 smoothed by a 3x3 kernel, 1 unchanged, above sharpened.</summary>
    public static void Sharpness(Canvas canvas, float factor)
    {
        var (source, target) = (canvas.Image, canvas.Scratch);
        if (factor == 1)
            return;
        target.CopyFrom(source);
        var (height, width) = (source.Height, source.Width);
        for (var c = 0; c < source.Channels; c++)
        for (var y = 1; y < height - 1; y++)
            SharpenRow(source.Row(c, y - 1), source.Row(c, y), source.Row(c, y + 1), target.Row(c, y), width - 1, factor);
        canvas.Swap();
    }

    private static void SharpenRow(
        ReadOnlySpan<byte> above,
        ReadOnlySpan<byte> row,
        ReadOnlySpan<byte> below,
        Span<byte> result,
        int end,
        float factor
    )
    {
        ref byte a = ref MemoryMarshal.GetReference(above),
            m = ref MemoryMarshal.GetReference(row),
            b = ref MemoryMarshal.GetReference(below);
        var x = 1;
        for (; x <= end - Lanes.Count; x += Lanes.Count)
        {
            var center = Lanes.Load(ref m, x);
            var sum = Three(ref a, x) + Lanes.Load(ref m, x - 1) + 5 * center + Lanes.Load(ref m, x + 1) + Three(ref b, x);
            // Division by 26 as a product: exact for numerators up to 2^20, and the largest is 2 * 13 * 255 + 13.
            var smooth = ((2 * sum + Vector256.Create(13)) * 80660) >> 21;
            Lanes.Store(Blend(Vector256.ConvertToSingle(smooth), center, factor), ref MemoryMarshal.GetReference(result), x);
        }
        for (; x < end; x++)
        {
            var sum =
                above[x - 1] + above[x] + above[x + 1] + row[x - 1] + 5 * row[x] + row[x + 1] + below[x - 1] + below[x] + below[x + 1];
            result[x] = Blend((byte)((2 * sum + 13) / 26), row[x], factor);
        }
    }

    private static Vector256<int> Three(ref byte row, int x) =>
        Lanes.Load(ref row, x - 1) + Lanes.Load(ref row, x) + Lanes.Load(ref row, x + 1);

    /// <summary>Every value times a factor, plus a number, cut to a byte; what is behind the point is dropped.</summary>
    internal static void Linear(Raster image, float factor, float addend) => Map(image.Values, value => (int)(value * factor + addend));

    /// <summary>255 minus the value.</summary>
    public static void Invert(Raster image) => Map(image.Values, value => 255 - value);

    /// <summary>Inverts values that reach the threshold, 0 to 256.</summary>
    public static void Solarize(Raster image, double threshold) => Map(image.Values, value => value >= threshold ? 255 - value : value);

    /// <summary>Adds to values below 128.</summary>
    public static void SolarizeAdd(Raster image, int addend) => Map(image.Values, value => value < 128 ? value + addend : value);

    /// <summary>Keeps the high bits, 0 to 8 of them.</summary>
    public static void Posterize(Raster image, int bits)
    {
        if (bits < 8)
            Map(image.Values, value => value & 0xFF << (8 - bits));
    }

    /// <summary>Stretches each channel to the full range.</summary>
    public static void AutoContrast(Raster image)
    {
        for (var c = 0; c < image.Channels; c++)
        {
            var plane = image.Plane(c);
            var (low, high) = Lanes.Range(plane);
            if (high <= low)
                continue;
            var scale = 255.0 / (high - low);
            var offset = -low * scale;
            Map(plane, value => (int)(value * scale + offset));
        }
    }

    /// <summary>Makes the values of each channel about equally frequent.</summary>
    public static void Equalize(Raster image)
    {
        Span<int> counts = stackalloc int[512];
        Span<byte> table = stackalloc byte[256];
        for (var c = 0; c < image.Channels; c++)
        {
            var plane = image.Plane(c);
            counts.Clear();
            // Neighbours are often equal: two histograms, so that one count does not wait for the other.
            Span<int> even = counts[..256],
                odd = counts[256..];
            var p = 0;
            for (; p < plane.Length - 1; p += 2)
            {
                even[plane[p]]++;
                odd[plane[p + 1]]++;
            }
            if (p < plane.Length)
                even[plane[p]]++;
            for (var i = 0; i < 256; i++)
                even[i] += odd[i];
            var last = 255;
            while (last > 0 && counts[last] == 0)
                last--;
            // A single occupied level leaves a step of zero too.
            var step = (plane.Length - counts[last]) / 255;
            if (step == 0)
                continue;
            var n = step / 2;
            for (var i = 0; i < 256; i++)
            {
                table[i] = (byte)Math.Min(255, n / step);
                n += counts[i];
            }
            Lanes.Look(plane, table);
        }
    }

    // Values below 0 or above 255 are cut.
    private static void Map(Span<byte> values, Func<int, int> function)
    {
        Span<byte> table = stackalloc byte[256];
        for (var i = 0; i < 256; i++)
            table[i] = (byte)Math.Clamp(function(i), 0, 255);
        Lanes.Look(values, table);
    }

    private static void RequireColor(Raster image)
    {
        if (image.Channels != 3)
            throw new DataException($"an operation on colours needs an image of 1 or 3 channels, and this image has {image.Channels}");
    }

    private static void BlendWith(Raster image, byte degenerate, float factor)
    {
        if (factor == 1)
            return;
        Span<byte> table = stackalloc byte[256];
        for (var i = 0; i < 256; i++)
            table[i] = Blend(degenerate, (byte)i, factor);
        Lanes.Look(image.Values, table);
    }

    // In single precision and truncated, as Pillow does.
    private static byte Blend(byte degenerate, byte value, float factor)
    {
        var blended = degenerate + factor * (value - degenerate);
        return blended <= 0 ? (byte)0
            : blended >= 255 ? (byte)255
            : (byte)blended;
    }

    private static Vector256<int> Blend(Vector256<float> degenerate, Vector256<int> value, float factor)
    {
        var blended = degenerate + factor * (Vector256.ConvertToSingle(value) - degenerate);
        return Vector256.ConvertToInt32Native(Vector256.Min(Vector256.Max(blended, Vector256<float>.Zero), Vector256.Create(255f)));
    }

    private static Vector256<int> Lumas(ref byte red, ref byte green, ref byte blue, int start) =>
        (
            19595 * Lanes.Load(ref red, start)
            + 38470 * Lanes.Load(ref green, start)
            + 7471 * Lanes.Load(ref blue, start)
            + Vector256.Create(32768)
        ) >> 16;
}
