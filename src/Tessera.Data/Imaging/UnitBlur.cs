using System.Numerics;

namespace Tessera.Data.Imaging;

/// <summary>
/// The Gaussian blur of SimCLR and BYOL, in floating point: a kernel that is cut off and summed to 1, along rows, then along columns, with
/// zeros around the image, so that borders become darker.
/// </summary>
internal static class UnitBlur
{
    /// <summary>Blurs an image, plane after plane.</summary>
    /// <param name="values">[C, H, W].</param>
    /// <param name="height">Rows.</param>
    /// <param name="width">Columns.</param>
    /// <param name="radius">Pixels of the kernel at each side of its middle; 0 leaves the image as it is.</param>
    /// <param name="deviation">Of the Gaussian, in pixels; above 0.</param>
    internal static void Apply<T>(Span<T> values, int height, int width, int radius, T deviation)
        where T : struct, IBinaryFloatingPointIeee754<T>
    {
        if (radius == 0)
            return;
        var kernel = Kernel(radius, deviation);
        var rows = new T[height * width];
        for (var plane = values; !plane.IsEmpty; plane = plane[rows.Length..])
        {
            var image = plane[..rows.Length];
            Array.Clear(rows);
            for (var y = 0; y < height; y++)
            for (var k = -radius; k <= radius; k++)
            {
                var kept = width - Math.Abs(k);
                if (kept > 0)
                    Add(rows.AsSpan(y * width + Math.Max(0, -k), kept), image.Slice(y * width + Math.Max(0, k), kept), kernel[k + radius]);
            }
            image.Clear();
            for (var y = 0; y < height; y++)
            for (var from = Math.Max(0, y - radius); from <= Math.Min(height - 1, y + radius); from++)
                Add(image.Slice(y * width, width), rows.AsSpan(from * width, width), kernel[from - y + radius]);
        }
    }

    private static T[] Kernel<T>(int radius, T deviation)
        where T : struct, IBinaryFloatingPointIeee754<T>
    {
        var kernel = new T[2 * radius + 1];
        var sum = T.Zero;
        for (var i = 0; i < kernel.Length; i++)
        {
            var distance = T.CreateChecked(i - radius);
            kernel[i] = T.Exp(-(distance * distance) / (T.CreateChecked(2) * deviation * deviation));
            sum += kernel[i];
        }
        foreach (ref var weight in kernel.AsSpan())
            weight /= sum;
        return kernel;
    }

    private static void Add<T>(Span<T> target, ReadOnlySpan<T> source, T weight)
        where T : struct, IBinaryFloatingPointIeee754<T>
    {
        var i = 0;
        var weights = new Vector<T>(weight);
        for (; i <= target.Length - Vector<T>.Count; i += Vector<T>.Count)
            (new Vector<T>(target[i..]) + new Vector<T>(source[i..]) * weights).CopyTo(target[i..]);
        for (; i < target.Length; i++)
            target[i] += source[i] * weight;
    }
}
