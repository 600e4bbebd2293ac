using System.Numerics;

namespace Tessera.Data.Imaging;

/// <summary>
/// Operations on the colours of images in floating point, plane after plane with values in [0, 1]: those of the augmentations of SimCLR
/// (Chen et al., 2020, arXiv:2002.05709) and BYOL (Grill et al., 2020, arXiv:2006.07733). Operations of hue, saturation and grey take
/// three planes. All but grey and solarising cut to [0, 1].
/// </summary>
internal static class UnitColors
{
    /// <summary>Adds a number to all values.</summary>
    internal static void Add<T>(Span<T> values, T addend)
        where T : struct, IBinaryFloatingPointIeee754<T>
    {
        foreach (ref var value in values)
            value = Cut(value + addend);
    }

    /// <summary>Multiplies all values.</summary>
    internal static void Multiply<T>(Span<T> values, T factor)
        where T : struct, IBinaryFloatingPointIeee754<T>
    {
        foreach (ref var value in values)
            value = Cut(value * factor);
    }

    /// <summary>Moves values away from the mean of their channel, or towards it.</summary>
    internal static void Contrast<T>(Span<T> values, int channels, T factor)
        where T : struct, IBinaryFloatingPointIeee754<T>
    {
        var size = values.Length / channels;
        for (var c = 0; c < channels; c++)
        {
            var plane = values.Slice(c * size, size);
            var sum = 0.0;
            foreach (var value in plane)
                sum += double.CreateChecked(value);
            var mean = T.CreateChecked(sum / size);
            foreach (ref var value in plane)
                value = Cut((value - mean) * factor + mean);
        }
    }

    /// <summary>Multiplies the saturation of HSV, which is cut to 1.</summary>
    internal static void Saturate<T>(Span<T> values, T factor)
        where T : struct, IBinaryFloatingPointIeee754<T>
    {
        var size = values.Length / 3;
        Span<T> red = values[..size],
            green = values.Slice(size, size),
            blue = values[(2 * size)..];
        for (var i = 0; i < size; i++)
        {
            var high = T.Max(red[i], T.Max(green[i], blue[i]));
            var range = high - T.Min(red[i], T.Min(green[i], blue[i]));
            if (range == T.Zero)
                continue;
            // Hue and brightest value stay: the distances from that value are in proportion to the saturation.
            var saturation = range / high;
            var ratio = Cut(saturation * factor) / saturation;
            red[i] = Cut(high - (high - red[i]) * ratio);
            green[i] = Cut(high - (high - green[i]) * ratio);
            blue[i] = Cut(high - (high - blue[i]) * ratio);
        }
    }

    /// <summary>Turns the hue by a share of the colour circle, from -1 to 1.</summary>
    internal static void Turn<T>(Span<T> values, T share)
        where T : struct, IBinaryFloatingPointIeee754<T>
    {
        var size = values.Length / 3;
        var six = T.CreateChecked(6);
        Span<T> red = values[..size],
            green = values.Slice(size, size),
            blue = values[(2 * size)..];
        for (var i = 0; i < size; i++)
        {
            var (r, g, b) = (red[i], green[i], blue[i]);
            var high = T.Max(r, T.Max(g, b));
            var low = T.Min(r, T.Min(g, b));
            var range = high - low;
            if (range == T.Zero)
                continue;
            // In sixths of the circle, red at 0.
            var hue =
                high == r ? (g - b) / range
                : high == g ? (b - r) / range + T.CreateChecked(2)
                : (r - g) / range + T.CreateChecked(4);
            hue += six * share;
            hue -= six * T.Floor(hue / six);
            var sector = T.Floor(hue);
            var part = hue - sector;
            var (falling, rising) = (Cut(high - range * part), Cut(low + range * part));
            (red[i], green[i], blue[i]) = (int.CreateTruncating(sector) % 6) switch
            {
                0 => (high, rising, low),
                1 => (falling, high, low),
                2 => (low, high, rising),
                3 => (low, falling, high),
                4 => (rising, low, high),
                _ => (high, low, falling),
            };
        }
    }

    /// <summary>Grey in all three channels.</summary>
    internal static void Gray<T>(Span<T> values)
        where T : struct, IBinaryFloatingPointIeee754<T>
    {
        var size = values.Length / 3;
        var (red, green, blue) = (T.CreateChecked(0.2989), T.CreateChecked(0.587), T.CreateChecked(0.114));
        for (var i = 0; i < size; i++)
        {
            var gray = red * values[i] + green * values[size + i] + blue * values[2 * size + i];
            (values[i], values[size + i], values[2 * size + i]) = (gray, gray, gray);
        }
    }

    /// <summary>Inverts values that reach the threshold.</summary>
    internal static void Solarize<T>(Span<T> values, T threshold)
        where T : struct, IBinaryFloatingPointIeee754<T>
    {
        foreach (ref var value in values)
            if (value >= threshold)
                value = T.One - value;
    }

    private static T Cut<T>(T value)
        where T : struct, IBinaryFloatingPointIeee754<T> => T.Min(T.Max(value, T.Zero), T.One);
}
