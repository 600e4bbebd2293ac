using System.Globalization;

namespace Tessera.Data.Imaging;

/// <summary>
/// An affine map from output to input coordinates, and images under it, equal to Pillow's bit for bit: pixel (x, y) shows
/// the input at (A (x+.5) + B (y+.5) + C, D (x+.5) + E (y+.5) + F); pixels outside of it take the canvas' fill.
/// </summary>
/// <param name="A">Input column per output column.</param>
/// <param name="B">Input column per output row.</param>
/// <param name="C">Input column offset.</param>
/// <param name="D">Input row per output column.</param>
/// <param name="E">Input row per output row.</param>
/// <param name="F">Input row offset.</param>
public readonly record struct Affine(double A, double B, double C, double D, double E, double F)
{
    /// <summary>Rows shifted in proportion to their number.</summary>
    public static Affine ShearX(double factor) => new(1, factor, 0, 0, 1, 0);

    /// <summary>Columns shifted in proportion to their number.</summary>
    public static Affine ShearY(double factor) => new(1, 0, 0, factor, 1, 0);

    /// <summary>Shift by pixels.</summary>
    public static Affine Translate(double x, double y) => new(1, 0, x, 0, 1, y);

    /// <summary>Turns the image counter-clockwise by degrees, about its centre.</summary>
    /// <param name="canvas">Holds the image.</param>
    /// <param name="degrees">Any number.</param>
    /// <param name="interpolation">Nearest, bilinear or bicubic.</param>
    /// <param name="black">Fill with black instead of the canvas' fill.</param>
    public static void Rotate(Canvas canvas, double degrees, Interpolation interpolation, bool black = false)
    {
        var image = canvas.Image;
        var (height, width) = (image.Height, image.Width);
        var angle = degrees % 360;
        if (angle < 0)
            angle += 360;
        if (angle == 0)
            return;
        if (angle == 180)
        {
            for (var c = 0; c < image.Channels; c++)
                image.Plane(c).Reverse();
            return;
        }
        if (angle is 90 or 270 && height == width)
        {
            QuarterTurn(canvas, counterClockwise: angle == 90);
            return;
        }
        var radians = -(angle * Math.PI / 180);
        var (cos, sin, minusSin) = (Round15(Math.Cos(radians)), Round15(Math.Sin(radians)), Round15(-Math.Sin(radians)));
        var (centerX, centerY) = (width / 2.0, height / 2.0);
        new Affine(
            cos,
            sin,
            cos * -centerX + sin * -centerY + 0.0 + centerX,
            minusSin,
            cos,
            minusSin * -centerX + cos * -centerY + 0.0 + centerY
        ).Apply(canvas, interpolation, black);
    }

    // To 15 decimals, decided on the exact decimal value as Python's round does.
    private static double Round15(double value) =>
        double.Parse(value.ToString("F15", CultureInfo.InvariantCulture), CultureInfo.InvariantCulture);

    private static void QuarterTurn(Canvas canvas, bool counterClockwise)
    {
        var (source, target) = (canvas.Image, canvas.Scratch);
        var side = source.Width;
        target.Resize(source.Channels, side, side);
        for (var c = 0; c < source.Channels; c++)
        for (var y = 0; y < side; y++)
        {
            var row = target.Row(c, y);
            for (var x = 0; x < side; x++)
                row[x] = counterClockwise ? source.Row(c, x)[side - 1 - y] : source.Row(c, side - 1 - x)[y];
        }
        canvas.Swap();
    }

    /// <summary>Puts the mapped image in the place of the image; its size stays.</summary>
    /// <param name="canvas">Holds the image.</param>
    /// <param name="interpolation">Nearest, bilinear or bicubic.</param>
    /// <param name="black">Fill with black instead of the canvas' fill.</param>
    /// <exception cref="ArgumentOutOfRangeException">An interpolation that is for resizing only.</exception>
    public void Apply(Canvas canvas, Interpolation interpolation, bool black = false)
    {
        var (source, target) = (canvas.Image, canvas.Scratch);
        target.Resize(source.Channels, source.Height, source.Width);
        for (var c = 0; c < source.Channels; c++)
            target.Plane(c).Fill(black ? (byte)0 : canvas.FillOf(c));
        switch (interpolation)
        {
            case Interpolation.Nearest when B == 0 && D == 0:
                NearestScaled(source, target);
                break;
            case Interpolation.Nearest:
                NearestFixed(source, target);
                break;
            case Interpolation.Bilinear:
                AffineSampling.Interpolate(this, source, target, cubic: false);
                break;
            case Interpolation.Bicubic:
                AffineSampling.Interpolate(this, source, target, cubic: true);
                break;
            default:
                throw new ArgumentOutOfRangeException(
                    nameof(interpolation),
                    interpolation,
                    "affine maps know nearest, bilinear and bicubic"
                );
        }
        canvas.Swap();
    }

    private void NearestScaled(Raster source, Raster target)
    {
        var columns = Positions(C + A * 0.5, A, source.Width);
        var rows = Positions(F + E * 0.5, E, source.Height);
        for (var c = 0; c < source.Channels; c++)
        for (var y = 0; y < rows.Length; y++)
        {
            if (rows[y] < 0)
                continue;
            Span<byte> from = source.Row(c, rows[y]),
                to = target.Row(c, y);
            for (var x = 0; x < columns.Length; x++)
                if (columns[x] >= 0)
                    to[x] = from[columns[x]];
        }
    }

    private static int[] Positions(double start, double step, int size)
    {
        var result = new int[size];
        for (var i = 0; i < size; i++, start += step)
            result[i] = start >= 0 && (int)start < size ? (int)start : -1;
        return result;
    }

    private void NearestFixed(Raster source, Raster target)
    {
        static int Fixed(double value) => (int)Math.Floor(value * 65536.0 + 0.5);
        var (a, b, d, e) = (Fixed(A), Fixed(B), Fixed(D), Fixed(E));
        var (startX, startY) = (Fixed(C + A * 0.5 + B * 0.5), Fixed(F + D * 0.5 + E * 0.5));
        var (height, width, plane) = (source.Height, source.Width, source.PlaneSize);
        Span<byte> from = source.Values,
            to = target.Values;
        for (var y = 0; y < height; y++, startX += b, startY += e)
        {
            var (positionX, positionY) = (startX, startY);
            for (var x = 0; x < width; x++, positionX += a, positionY += d)
            {
                var (column, row) = (positionX >> 16, positionY >> 16);
                if ((uint)column >= (uint)width || (uint)row >= (uint)height)
                    continue;
                for (int start = 0; start < from.Length; start += plane)
                    to[start + y * width + x] = from[start + row * width + column];
            }
        }
    }
}
