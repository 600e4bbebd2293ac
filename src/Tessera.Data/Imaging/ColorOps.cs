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
        long sum = 0;
        if (image.Channels == 1)
        {
            foreach (var value in image.Values) sum += value;
        }
        else
        {
            RequireColor(image);
            Span<byte> red = image.Plane(0), green = image.Plane(1), blue = image.Plane(2);
            for (var i = 0; i < red.Length; i++) sum += Luma(red[i], green[i], blue[i]);
        }
        BlendWith(image, (byte)((double)sum / image.PlaneSize + 0.5), factor);
    }

    /// <summary>Saturation: 0 grey, 1 unchanged. Grey images have none.</summary>
    public static void Saturation(Raster image, float factor)
    {
        if (image.Channels == 1 || factor == 1) return;
        RequireColor(image);
        Span<byte> red = image.Plane(0), green = image.Plane(1), blue = image.Plane(2);
        for (var i = 0; i < red.Length; i++)
        {
            var gray = Luma(red[i], green[i], blue[i]);
            red[i] = Blend(gray, red[i], factor);
            green[i] = Blend(gray, green[i], factor);
            blue[i] = Blend(gray, blue[i], factor);
        }
    }

    /// <summary>Sharpness: 0 smoothed by a 3x3 kernel, 1 unchanged, above sharpened.</summary>
    public static void Sharpness(Canvas canvas, float factor)
    {
        var (source, target) = (canvas.Image, canvas.Scratch);
        if (factor == 1) return;
        target.CopyFrom(source);
        var (height, width) = (source.Height, source.Width);
        for (var c = 0; c < source.Channels; c++)
            for (var y = 1; y < height - 1; y++)
            {
                Span<byte> above = source.Row(c, y - 1), row = source.Row(c, y), below = source.Row(c, y + 1), result = target.Row(c, y);
                for (var x = 1; x < width - 1; x++)
                {
                    var sum = above[x - 1] + above[x] + above[x + 1] + row[x - 1] + 5 * row[x] + row[x + 1] + below[x - 1] + below[x] + below[x + 1];
                    result[x] = Blend((byte)((2 * sum + 13) / 26), row[x], factor);
                }
            }
        canvas.Swap();
    }

    /// <summary>255 minus the value.</summary>
    public static void Invert(Raster image)
    {
        var values = image.Values;
        for (var i = 0; i < values.Length; i++) values[i] = (byte)(255 - values[i]);
    }

    /// <summary>Inverts values that reach the threshold, 0 to 256.</summary>
    public static void Solarize(Raster image, double threshold)
    {
        foreach (ref var value in image.Values)
            if (value >= threshold) value = (byte)(255 - value);
    }

    /// <summary>Adds to values below 128.</summary>
    public static void SolarizeAdd(Raster image, int addend)
    {
        foreach (ref var value in image.Values)
            if (value < 128) value = (byte)Math.Clamp(value + addend, 0, 255);
    }

    /// <summary>Keeps the high bits, 0 to 8 of them.</summary>
    public static void Posterize(Raster image, int bits)
    {
        if (bits >= 8) return;
        var mask = (byte)(0xFF << (8 - bits));
        foreach (ref var value in image.Values) value &= mask;
    }

    /// <summary>Stretches each channel to the full range.</summary>
    public static void AutoContrast(Raster image)
    {
        Span<byte> table = stackalloc byte[256];
        for (var c = 0; c < image.Channels; c++)
        {
            var plane = image.Plane(c);
            var (low, high) = ((byte)255, (byte)0);
            foreach (var value in plane) (low, high) = (Math.Min(low, value), Math.Max(high, value));
            if (high <= low) continue;
            var scale = 255.0 / (high - low);
            var offset = -low * scale;
            for (var i = 0; i < 256; i++) table[i] = (byte)Math.Clamp((int)(i * scale + offset), 0, 255);
            foreach (ref var value in plane) value = table[value];
        }
    }

    /// <summary>Makes the values of each channel about equally frequent.</summary>
    public static void Equalize(Raster image)
    {
        Span<int> counts = stackalloc int[256];
        Span<byte> table = stackalloc byte[256];
        for (var c = 0; c < image.Channels; c++)
        {
            var plane = image.Plane(c);
            counts.Clear();
            foreach (var value in plane) counts[value]++;
            var last = 255;
            while (last > 0 && counts[last] == 0) last--;
            // A single occupied level leaves a step of zero too.
            var step = (plane.Length - counts[last]) / 255;
            if (step == 0) continue;
            var n = step / 2;
            for (var i = 0; i < 256; i++)
            {
                table[i] = (byte)Math.Min(255, n / step);
                n += counts[i];
            }
            foreach (ref var value in plane) value = table[value];
        }
    }

    private static void RequireColor(Raster image)
    {
        if (image.Channels != 3) throw new DataException($"an operation on colours meets an image of {image.Channels} channels, where 1 or 3 are right");
    }

    private static void BlendWith(Raster image, byte degenerate, float factor)
    {
        if (factor == 1) return;
        Span<byte> table = stackalloc byte[256];
        for (var i = 0; i < 256; i++) table[i] = Blend(degenerate, (byte)i, factor);
        foreach (ref var value in image.Values) value = table[value];
    }

    // In single precision and truncated, as Pillow does.
    private static byte Blend(byte degenerate, byte value, float factor)
    {
        var blended = degenerate + factor * (value - degenerate);
        return blended <= 0 ? (byte)0 : blended >= 255 ? (byte)255 : (byte)blended;
    }
}
