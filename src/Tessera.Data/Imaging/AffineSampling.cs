using System.Buffers;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Tessera.Data.Imaging;

/// <summary>
/// Values between pixels under an affine map, as Pillow computes them, in double precision; the channels of a pixel share a vector.
/// </summary>
internal static class AffineSampling
{
    private const int Together = 4;

    /// <summary>Writes the mapped image; pixels that lie outside of the source are left as they are.</summary>
    internal static void Interpolate(Affine map, Raster source, Raster target, bool cubic)
    {
        var pixels = ArrayPool<float>.Shared.Rent(Together * source.PlaneSize);
        try
        {
            for (var channel = 0; channel < source.Channels; channel += Together)
            {
                var count = Math.Min(Together, source.Channels - channel);
                for (var c = 0; c < Together; c++)
                {
                    // Lanes without a channel hold zeros: leftovers of an earlier user might be slow to compute with.
                    var plane = c < count ? source.Plane(channel + c) : default;
                    for (int i = 0, to = c; i < source.PlaneSize; i++, to += Together)
                        pixels[to] = c < count ? plane[i] : 0;
                }
                Sample(map, pixels, source.Height, source.Width, target.Values[(channel * target.PlaneSize)..], count, cubic);
            }
        }
        finally
        {
            ArrayPool<float>.Shared.Return(pixels);
        }
    }

    private static void Sample(Affine map, ReadOnlySpan<float> pixels, int height, int width, Span<byte> result, int count, bool cubic)
    {
        var plane = height * width;
        ref var image = ref MemoryMarshal.GetReference(pixels);
        for (var y = 0; y < height; y++)
        for (var x = 0; x < width; x++)
        {
            var (inX, inY) = (map.A * (x + 0.5) + map.B * (y + 0.5) + map.C, map.D * (x + 0.5) + map.E * (y + 0.5) + map.F);
            if (!(inX >= 0 && inX < width && inY >= 0 && inY < height))
                continue;
            inX -= 0.5;
            inY -= 0.5;
            var (column, row) = ((int)Math.Floor(inX), (int)Math.Floor(inY));
            var (dx, dy) = (inX - column, inY - row);
            var value = cubic
                ? Cubic(ref image, height, width, column, row, dx, dy)
                : Linear(ref image, height, width, column, row, dx, dy);
            var cut = Vector256.Min(Vector256.Max(value, Vector256<double>.Zero), Vector256.Create(255.0));
            for (var c = 0; c < count; c++)
                result[c * plane + y * width + x] = (byte)cut[c];
        }
    }

    // Beyond the border its pixels are repeated. On a row or column of the source, as shears and shifts mostly are, the others weigh
    // nothing.
    private static Vector256<double> Linear(ref float image, int height, int width, int x, int y, double dx, double dy)
    {
        var (left, right) = (Math.Max(x, 0), Math.Min(x + 1, width - 1));
        var upper = Line(ref Unsafe.Add(ref image, Together * width * Math.Max(y, 0)));
        return dy == 0 ? upper : upper + (Line(ref Unsafe.Add(ref image, Together * width * Math.Min(y + 1, height - 1))) - upper) * dy;

        Vector256<double> Line(ref float row)
        {
            var value = Pixel(ref row, left);
            return value + (Pixel(ref row, right) - value) * dx;
        }
    }

    private static Vector256<double> Cubic(ref float image, int height, int width, int x, int y, double dx, double dy)
    {
        var middle = Line(ref image, y);
        return dy == 0 ? middle : Spline(Line(ref image, y - 1), middle, Line(ref image, y + 1), Line(ref image, y + 2), dy);

        Vector256<double> Line(ref float image, int y)
        {
            ref var row = ref Unsafe.Add(ref image, Together * width * Math.Clamp(y, 0, height - 1));
            if (dx == 0)
                return Pixel(ref row, Math.Max(x, 0));
            if (x >= 1 && x < width - 2)
                return Spline(Pixel(ref row, x - 1), Pixel(ref row, x), Pixel(ref row, x + 1), Pixel(ref row, x + 2), dx);
            var last = width - 1;
            return Spline(
                Pixel(ref row, Math.Clamp(x - 1, 0, last)),
                Pixel(ref row, Math.Max(x, 0)),
                Pixel(ref row, Math.Min(x + 1, last)),
                Pixel(ref row, Math.Min(x + 2, last)),
                dx
            );
        }
    }

    // The cubic of parameter -1, unlike resizing; the order of operations is Pillow's.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<double> Spline(
        Vector256<double> v1,
        Vector256<double> v2,
        Vector256<double> v3,
        Vector256<double> v4,
        double d
    ) => v2 + d * (-v1 + v3 + d * (2 * (v1 - v2) + v3 - v4 + d * (-v1 + v2 - v3 + v4)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<double> Pixel(ref float row, int x)
    {
        var values = Vector128.LoadUnsafe(ref row, (nuint)(Together * x));
        return Avx.IsSupported
            ? Avx.ConvertToVector256Double(values)
            : Vector256.Create(Vector128.WidenLower(values), Vector128.WidenUpper(values));
    }
}
