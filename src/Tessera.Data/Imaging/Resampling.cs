using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Tessera.Data.Imaging;

/// <summary>A part of an image in pixels, possibly between them.</summary>
public readonly record struct Box(double Left, double Top, double Right, double Bottom);

/// <summary>
/// Resizing as Pillow does it, bit for bit: filters widened when shrinking, weights in fixed point, rounding to bytes between the two
/// passes.
/// </summary>
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
        if (
            !(
                part.Left >= 0
                && part.Top >= 0
                && part.Right <= image.Width
                && part.Bottom <= image.Height
                && part.Left < part.Right
                && part.Top < part.Bottom
            )
        )
            throw new ArgumentOutOfRangeException(nameof(box), part, $"not inside of an image of {image.Height}x{image.Width}");
        if (interpolation == Interpolation.Nearest)
        {
            ResizeNearest(canvas, height, width, part);
            return;
        }
        if (width != image.Width || part.Left != 0 || part.Right != width)
        {
            canvas.Scratch.Resize(image.Channels, image.Height, width);
            Horizontal(image, canvas.Scratch, 0, Weights.Of(image.Width, part.Left, part.Right, width, interpolation));
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
        if (height == source.Height && width == source.Width && box == new Box(0, 0, width, height))
            return;
        var columns = Positions(box.Left, box.Right, width, source.Width);
        var rows = Positions(box.Top, box.Bottom, height, source.Height);
        target.Resize(source.Channels, height, width);
        for (var c = 0; c < source.Channels; c++)
        for (var y = 0; y < height; y++)
        {
            Span<byte> from = source.Row(c, rows[y]),
                to = target.Row(c, y);
            for (var x = 0; x < width; x++)
                to[x] = from[columns[x]];
        }
        canvas.Swap();

        static int[] Positions(double start, double end, int count, int size)
        {
            var step = (end - start) / count;
            var result = new int[count];
            // Summed up step by step, as Pillow does.
            var position = start + step * 0.5;
            for (var i = 0; i < count; i++, position += step)
                result[i] = Math.Min((int)position, size - 1);
            return result;
        }
    }

    /// <summary>
    /// Resizes an image that comes in strips of rows, from top to bottom: no more of it than a strip is held at its full width.
    /// </summary>
    /// <param name="canvas">Takes on the result.</param>
    /// <param name="source">The image.</param>
    /// <param name="height">New height, at least 1.</param>
    /// <param name="width">New width, at least 1.</param>
    /// <param name="interpolation">The filter; not random.</param>
    /// <param name="box">Part that is resized, inside of the image.</param>
    internal static void Resize(Canvas canvas, Strips source, int height, int width, Interpolation interpolation, Box box)
    {
        if (interpolation == Interpolation.Nearest || (width == source.Width && box.Left == 0 && box.Right == width))
        {
            source.CopyTo(canvas.Image);
            Resize(canvas, height, width, interpolation, box);
            return;
        }
        var weights = Weights.Of(source.Width, box.Left, box.Right, width, interpolation);
        canvas.Scratch.Resize(source.Channels, source.Height, width);
        source.Read(canvas.Strip, row => Horizontal(canvas.Strip, canvas.Scratch, row, weights));
        canvas.Swap();
        Resize(canvas, height, width, interpolation, new(0, box.Top, width, box.Bottom));
    }

    // Into the rows of the target from the given one on.
    private static void Horizontal(Raster source, Raster target, int targetRow, Weights weights)
    {
        for (var c = 0; c < source.Channels; c++)
        {
            var y = 0;
            if (Avx2.IsSupported)
                for (; y <= source.Height - 4; y += 4)
                    FourRows(
                        source.Plane(c).Slice(y * source.Width, 4 * source.Width),
                        target.Plane(c).Slice((targetRow + y) * target.Width, 4 * target.Width),
                        source.Width,
                        weights
                    );
            for (; y < source.Height; y++)
                OneRow(source.Row(c, y), target.Row(c, targetRow + y), 0, weights);
        }
    }

    private static void OneRow(ReadOnlySpan<byte> from, Span<byte> to, int first, Weights weights)
    {
        for (var i = first; i < to.Length; i++)
        {
            var (start, count) = (weights.Starts[i], weights.Counts[i]);
            var factors = weights.Factors.AsSpan(i * weights.Taps, weights.Taps);
            var sum = Half;
            // Weights are padded with zeros, so whole vectors may be read as long as the row lasts.
            if (start + factors.Length <= from.Length)
            {
                var total = Vector256<int>.Zero;
                for (var k = 0; k < factors.Length; k += Lanes.Count)
                    total += Lanes.Load(ref Unsafe.AsRef(in from[start]), k) * Vector256.LoadUnsafe(ref factors[k]);
                sum += Vector256.Sum(total);
            }
            else
            {
                for (var k = 0; k < count; k++)
                    sum += from[start + k] * factors[k];
            }
            to[i] = Clip(sum);
        }
    }

    // Four rows at a time: they share the weights, and their sums are taken together.
    private static void FourRows(ReadOnlySpan<byte> from, Span<byte> to, int inputs, Weights weights)
    {
        var (taps, outputs) = (weights.Taps, weights.Count);
        ref var source = ref MemoryMarshal.GetReference(from);
        ref var target = ref MemoryMarshal.GetReference(to);
        ref var factors = ref MemoryMarshal.GetArrayDataReference(weights.Factors);
        var i = 0;
        for (; i < outputs && weights.Starts[i] + taps <= inputs; i++)
        {
            ref var place = ref Unsafe.Add(ref source, weights.Starts[i]);
            Vector256<int> a = default,
                b = default,
                c = default,
                d = default;
            for (var k = 0; k < taps; k += Lanes.Count)
            {
                var factor = Vector256.LoadUnsafe(ref factors, (nuint)(i * taps + k));
                a += Lanes.Load(ref place, k) * factor;
                b += Lanes.Load(ref place, inputs + k) * factor;
                c += Lanes.Load(ref place, 2 * inputs + k) * factor;
                d += Lanes.Load(ref place, 3 * inputs + k) * factor;
            }
            var halves = Avx2.HorizontalAdd(Avx2.HorizontalAdd(a, b), Avx2.HorizontalAdd(c, d));
            var sums = (halves.GetLower() + halves.GetUpper() + Vector128.Create(Half)) >> PrecisionBits;
            var clipped = Vector128.Min(Vector128.Max(sums, Vector128<int>.Zero), Vector128.Create(255));
            Unsafe.Add(ref target, i) = (byte)clipped[0];
            Unsafe.Add(ref target, outputs + i) = (byte)clipped[1];
            Unsafe.Add(ref target, 2 * outputs + i) = (byte)clipped[2];
            Unsafe.Add(ref target, 3 * outputs + i) = (byte)clipped[3];
        }
        for (var y = 0; y < 4 && i < outputs; y++)
            OneRow(from.Slice(y * inputs, inputs), to.Slice(y * outputs, outputs), i, weights);
    }

    private static void Vertical(Raster source, Raster target, Weights weights)
    {
        target.Resize(source.Channels, weights.Count, source.Width);
        var width = source.Width;
        for (var c = 0; c < source.Channels; c++)
        {
            ReadOnlySpan<byte> plane = source.Plane(c);
            for (var i = 0; i < weights.Count; i++)
            {
                var to = target.Row(c, i);
                var (start, count) = (weights.Starts[i] * width, weights.Counts[i]);
                var factors = weights.Factors.AsSpan(i * weights.Taps, count);
                var x = 0;
                for (; x <= width - Lanes.Count; x += Lanes.Count)
                {
                    var total = Vector256.Create(Half);
                    for (var k = 0; k < count; k++)
                        total += Lanes.Load(ref Unsafe.AsRef(in plane[start]), k * width + x) * factors[k];
                    Lanes.Store(
                        Vector256.Min(Vector256.Max(total >> PrecisionBits, Vector256<int>.Zero), Vector256.Create(255)),
                        ref to[0],
                        x
                    );
                }
                for (; x < width; x++)
                {
                    var sum = Half;
                    for (var k = 0; k < count; k++)
                        sum += plane[start + k * width + x] * factors[k];
                    to[x] = Clip(sum);
                }
            }
        }
    }

    private static byte Clip(int sum) => (byte)Math.Clamp(sum >> PrecisionBits, 0, 255);

    /// <summary>
    /// For every output position where its inputs start, how many they are and their weights in fixed point, padded to <see cref="Taps"/>.
    /// </summary>
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
                for (var k = 0; k < count; k++)
                    total += weights[k] = function((k + start - center + 0.5) * (1 / filterScale));
                for (var k = 0; k < count; k++)
                {
                    var weight = total == 0 ? weights[k] : weights[k] / total;
                    factors[i * taps + k] = (int)(weight * (1 << PrecisionBits) + (weight < 0 ? -0.5 : 0.5));
                }
                (starts[i], counts[i]) = (start, count);
            }
            return new(outputs, taps, starts, counts, factors);
        }

        private static (Func<double, double> Function, double Reach) Filter(Interpolation interpolation) =>
            interpolation switch
            {
                Interpolation.Box => (x => x is > -0.5 and <= 0.5 ? 1 : 0, 0.5),
                Interpolation.Bilinear => (x => Math.Max(1 - Math.Abs(x), 0), 1),
                Interpolation.Bicubic => (Cubic, 2),
                Interpolation.Lanczos => (x => x is >= -3 and < 3 ? Sinc(x) * Sinc(x / 3) : 0, 3),
                _ => throw new ArgumentOutOfRangeException(
                    nameof(interpolation),
                    interpolation,
                    "resizing knows nearest, box, bilinear, bicubic and lanczos"
                ),
            };

        private static double Cubic(double x)
        {
            const double a = -0.5;
            x = Math.Abs(x);
            return x < 1 ? ((a + 2) * x - (a + 3)) * x * x + 1
                : x < 2 ? (((x - 5) * x + 8) * x - 4) * a
                : 0;
        }

        private static double Sinc(double x) => x == 0 ? 1 : Math.Sin(x * Math.PI) / (x * Math.PI);
    }
}
