using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Tessera.Data.Imaging;

/// <summary>A part of an image in pixels, possibly between them.</summary>
public readonly record struct Box(double Left, double Top, double Right, double Bottom);

/// <summary>Resizing as Pillow does it, bit for bit: filters widened when shrinking, weights in fixed point, rounding to bytes between the two passes.</summary>
public static class Resampling
{
    private const int PrecisionBits = 22;
    private const int Half = 1 << (PrecisionBits - 1);

    /// <summary>Resizes the image of a canvas.</summary>
    /// <param name="canvas">Holds the image.</param>
    /// <param name="height">New height, at least 1.</param>
    /// <param name="width">New width, at least 1.</param>
    /// <param name="interpolation">The filter; not random.</param>
    /// <param name="box">Part that is resized; the whole image when null.</param>
    /// <exception cref="ArgumentOutOfRangeException">No such size, filter or box.</exception>
    public static void Resize(Canvas canvas, int height, int width, Interpolation interpolation, Box? box = null)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(height, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(width, 1);
        var image = canvas.Image;
        var part = box ?? new Box(0, 0, image.Width, image.Height);
        if (!(part.Left >= 0 && part.Top >= 0 && part.Right <= image.Width && part.Bottom <= image.Height && part.Left < part.Right && part.Top < part.Bottom))
            throw new ArgumentOutOfRangeException(nameof(box), part, $"not inside of an image of {image.Height}x{image.Width}");
        if (interpolation == Interpolation.Nearest)
        {
            ResizeNearest(canvas, height, width, part);
            return;
        }
        if (width != image.Width || part.Left != 0 || part.Right != width)
        {
            Horizontal(image, canvas.Scratch, Weights.Of(image.Width, part.Left, part.Right, width, interpolation));
            canvas.Swap();
        }
        if (height != image.Height || part.Top != 0 || part.Bottom != height)
        {
            Vertical(canvas.Image, canvas.Scratch, Weights.Of(image.Height, part.Top, part.Bottom, height, interpolation));
            canvas.Swap();
        }
    }

    private static void ResizeNearest(Canvas canvas, int height, int width, Box box)
    {
        var (source, target) = (canvas.Image, canvas.Scratch);
        if (height == source.Height && width == source.Width && box == new Box(0, 0, width, height)) return;
        var columns = Positions(box.Left, box.Right, width, source.Width);
        var rows = Positions(box.Top, box.Bottom, height, source.Height);
        target.Resize(source.Channels, height, width);
        for (var c = 0; c < source.Channels; c++)
            for (var y = 0; y < height; y++)
            {
                Span<byte> from = source.Row(c, rows[y]), to = target.Row(c, y);
                for (var x = 0; x < width; x++) to[x] = from[columns[x]];
            }
        canvas.Swap();

        static int[] Positions(double start, double end, int count, int size)
        {
            var step = (end - start) / count;
            var result = new int[count];
            // Summed up step by step, as Pillow does.
            var position = start + step * 0.5;
            for (var i = 0; i < count; i++, position += step) result[i] = Math.Min((int)position, size - 1);
            return result;
        }
    }

    private static void Horizontal(Raster source, Raster target, Weights weights)
    {
        target.Resize(source.Channels, source.Height, weights.Count);
        var lanes = Vector256<int>.Count;
        var taps = weights.Taps;
        for (var c = 0; c < source.Channels; c++)
            for (var y = 0; y < source.Height; y++)
            {
                ReadOnlySpan<byte> from = source.Row(c, y);
                var to = target.Row(c, y);
                for (var i = 0; i < to.Length; i++)
                {
                    var (start, count) = (weights.Starts[i], weights.Counts[i]);
                    var factors = weights.Factors.AsSpan(i * taps, taps);
                    var sum = Half;
                    // Weights are padded with zeros, so whole vectors may be read as long as the row lasts.
                    if (start + taps <= from.Length)
                    {
                        var total = Vector256<int>.Zero;
                        for (var k = 0; k < taps; k += lanes) total += Widen(from, start + k) * Vector256.LoadUnsafe(ref factors[k]);
                        sum += Vector256.Sum(total);
                    }
                    else
                    {
                        for (var k = 0; k < count; k++) sum += from[start + k] * factors[k];
                    }
                    to[i] = Clip(sum);
                }
            }
    }

    private static void Vertical(Raster source, Raster target, Weights weights)
    {
        target.Resize(source.Channels, weights.Count, source.Width);
        var width = source.Width;
        var lanes = Vector256<int>.Count;
        for (var c = 0; c < source.Channels; c++)
        {
            ReadOnlySpan<byte> plane = source.Plane(c);
            for (var i = 0; i < weights.Count; i++)
            {
                var to = target.Row(c, i);
                var (start, count) = (weights.Starts[i] * width, weights.Counts[i]);
                var factors = weights.Factors.AsSpan(i * weights.Taps, count);
                var x = 0;
                for (; x <= width - lanes; x += lanes)
                {
                    var total = Vector256.Create(Half);
                    for (var k = 0; k < count; k++) total += Widen(plane, start + k * width + x) * factors[k];
                    var clipped = Vector256.Min(Vector256.Max(total >> PrecisionBits, Vector256<int>.Zero), Vector256.Create(255));
                    var narrow = Vector128.Narrow(Vector128.Narrow(clipped.GetLower(), clipped.GetUpper()).AsUInt16(), Vector128<ushort>.Zero);
                    Unsafe.WriteUnaligned(ref to[x], narrow.AsUInt64().ToScalar());
                }
                for (; x < width; x++)
                {
                    var sum = Half;
                    for (var k = 0; k < count; k++) sum += plane[start + k * width + x] * factors[k];
                    to[x] = Clip(sum);
                }
            }
        }
    }

    private static Vector256<int> Widen(ReadOnlySpan<byte> source, int start)
    {
        var bytes = Vector128.CreateScalar(Unsafe.ReadUnaligned<ulong>(ref Unsafe.AsRef(in source.Slice(start, 8)[0]))).AsByte();
        var words = Vector128.WidenLower(bytes);
        return Vector256.Create(Vector128.WidenLower(words), Vector128.WidenUpper(words)).AsInt32();
    }

    private static byte Clip(int sum) => (byte)Math.Clamp(sum >> PrecisionBits, 0, 255);

    /// <summary>For every output position where its inputs start, how many they are and their weights in fixed point, padded to <see cref="Taps"/>.</summary>
    private sealed record Weights(int Count, int Taps, int[] Starts, int[] Counts, int[] Factors)
    {
        internal static Weights Of(int inputs, double from, double to, int outputs, Interpolation interpolation)
        {
            var (function, reach) = Filter(interpolation);
            var scale = (to - from) / outputs;
            var filterScale = Math.Max(scale, 1);
            var support = reach * filterScale;
            var most = (int)Math.Ceiling(support) * 2 + 1;
            var taps = (most + 7) / 8 * 8;
            var (starts, counts, factors) = (new int[outputs], new int[outputs], new int[outputs * taps]);
            var weights = new double[most];
            for (var i = 0; i < outputs; i++)
            {
                var center = from + (i + 0.5) * scale;
                var start = Math.Max((int)(center - support + 0.5), 0);
                var count = Math.Min((int)(center + support + 0.5), inputs) - start;
                var total = 0.0;
                for (var k = 0; k < count; k++) total += weights[k] = function((k + start - center + 0.5) * (1 / filterScale));
                for (var k = 0; k < count; k++)
                {
                    var weight = total == 0 ? weights[k] : weights[k] / total;
                    factors[i * taps + k] = (int)(weight * (1 << PrecisionBits) + (weight < 0 ? -0.5 : 0.5));
                }
                (starts[i], counts[i]) = (start, count);
            }
            return new(outputs, taps, starts, counts, factors);
        }

        private static (Func<double, double> Function, double Reach) Filter(Interpolation interpolation) => interpolation switch
        {
            Interpolation.Box => (x => x is > -0.5 and <= 0.5 ? 1 : 0, 0.5),
            Interpolation.Bilinear => (x => Math.Max(1 - Math.Abs(x), 0), 1),
            Interpolation.Bicubic => (Cubic, 2),
            Interpolation.Lanczos => (x => x is >= -3 and < 3 ? Sinc(x) * Sinc(x / 3) : 0, 3),
            _ => throw new ArgumentOutOfRangeException(nameof(interpolation), interpolation, "resizing knows nearest, box, bilinear, bicubic and lanczos"),
        };

        private static double Cubic(double x)
        {
            const double a = -0.5;
            x = Math.Abs(x);
            return x < 1 ? ((a + 2) * x - (a + 3)) * x * x + 1 : x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0;
        }

        private static double Sinc(double x) => x == 0 ? 1 : Math.Sin(x * Math.PI) / (x * Math.PI);
    }
}
