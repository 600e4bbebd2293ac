using Tessera.Data.Imaging;

namespace Tessera.Data.Tests;

/// <summary>What is computed in vectors equals the same computed value by value, whatever the size.</summary>
public class VectorTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(15)]
    [InlineData(64)]
    [InlineData(333)]
    public void Tables_ranges_and_planes_treat_every_value(int count)
    {
        var random = new Random(count);
        byte[] values = new byte[count],
            table = new byte[256],
            pixels = new byte[3 * count];
        random.NextBytes(values);
        random.NextBytes(table);
        random.NextBytes(pixels);
        Assert.Equal((values.Min(), values.Max()), Lanes.Range(values));
        byte[] mapped = [.. values];
        Lanes.Look(mapped, table);
        Assert.Equal(values.Select(value => table[value]), mapped);
        byte[] red = new byte[count],
            green = new byte[count],
            blue = new byte[count];
        Lanes.Split(pixels, red, green, blue);
        Assert.Equal(pixels.Chunk(3).Select(pixel => (pixel[0], pixel[1], pixel[2])), red.Zip(green, blue));
    }

    [Fact]
    public void Operations_on_single_values_treat_every_value()
    {
        Check(ColorOps.Invert, value => 255 - value);
        Check(image => ColorOps.Solarize(image, 100), value => value >= 100 ? 255 - value : value);
        Check(image => ColorOps.Solarize(image, 256), value => value);
        Check(image => ColorOps.SolarizeAdd(image, 110), value => value < 128 ? Math.Min(255, value + 110) : value);
        Check(image => ColorOps.Posterize(image, 3), value => value & 0xE0);
        Check(image => ColorOps.Posterize(image, 0), _ => 0);

        static void Check(Action<Raster> change, Func<int, int> expected)
        {
            var image = MadeUp.NoiseImage(3, 7, 13);
            var before = image.Values.ToArray();
            change(image);
            Assert.Equal(before.Select(value => (byte)expected(value)), image.Values.ToArray());
        }
    }

    [Theory]
    [InlineData(0.1f)]
    [InlineData(0.731f)]
    [InlineData(1.9f)]
    public void Saturation_and_sharpness_equal_their_formulas(float factor)
    {
        var image = MadeUp.NoiseImage(3, 9, 27);
        var canvas = MadeUp.CanvasOf(image);
        ColorOps.Saturation(canvas.Image, factor);
        for (var i = 0; i < image.PlaneSize; i++)
        {
            var gray = (19595 * image.Plane(0)[i] + 38470 * image.Plane(1)[i] + 7471 * image.Plane(2)[i] + 32768) >> 16;
            for (var c = 0; c < 3; c++)
                Assert.Equal(Blend(gray, image.Plane(c)[i]), canvas.Image.Plane(c)[i]);
        }
        canvas = MadeUp.CanvasOf(image);
        ColorOps.Sharpness(canvas, factor);
        for (var c = 0; c < 3; c++)
        for (var y = 0; y < 9; y++)
        for (var x = 0; x < 27; x++)
        {
            var value = image.Row(c, y)[x];
            if (y is > 0 and < 8 && x is > 0 and < 26)
            {
                var sum = 4 * value;
                for (var dy = -1; dy <= 1; dy++)
                for (var dx = -1; dx <= 1; dx++)
                    sum += image.Row(c, y + dy)[x + dx];
                value = Blend((2 * sum + 13) / 26, value);
            }
            Assert.Equal(value, canvas.Image.Row(c, y)[x]);
        }

        byte Blend(int degenerate, byte value) => (byte)Math.Clamp((int)(degenerate + factor * (value - degenerate)), 0, 255);
    }

    [Fact]
    public void A_divisor_as_a_product_is_exact() =>
        Assert.All(Enumerable.Range(0, 2 * 13 * 255 + 14), n => Assert.Equal(n / 26, (n * 80660) >> 21));

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Affine_maps_equal_their_formulas(bool cubic)
    {
        var maps = new[]
        {
            Affine.ShearX(0.27),
            Affine.ShearY(-0.31),
            Affine.Translate(7.3, 0),
            Affine.Translate(0, -4.6),
            Affine.Translate(3, 2),
            new Affine(0.94, 0.34, -3.2, -0.34, 0.94, 5.1),
            new(1.7, 0, -4, 0.1, 0.4, 2),
        };
        foreach (var map in maps)
        foreach (var (channels, height, width) in new[] { (1, 21, 17), (3, 20, 33), (3, 1, 5), (3, 2, 1), (5, 6, 6) })
        {
            var image = MadeUp.NoiseImage(channels, height, width);
            var canvas = MadeUp.CanvasOf(image);
            map.Apply(canvas, cubic ? Interpolation.Bicubic : Interpolation.Bilinear);
            for (var c = 0; c < channels; c++)
            for (var y = 0; y < height; y++)
            for (var x = 0; x < width; x++)
                Assert.Equal(Expected(map, image, c, y, x, cubic), canvas.Image.Row(c, y)[x]);
        }
    }

    private static byte Expected(Affine map, Raster image, int c, int y, int x, bool cubic)
    {
        var (inX, inY) = (map.A * (x + 0.5) + map.B * (y + 0.5) + map.C, map.D * (x + 0.5) + map.E * (y + 0.5) + map.F);
        if (!(inX >= 0 && inX < image.Width && inY >= 0 && inY < image.Height))
            return 128;
        var (column, row) = ((int)Math.Floor(inX - 0.5), (int)Math.Floor(inY - 0.5));
        var (dx, dy) = (inX - 0.5 - column, inY - 0.5 - row);
        double Pixel(int i, int j) => image.Row(c, Math.Clamp(row + i, 0, image.Height - 1))[Math.Clamp(column + j, 0, image.Width - 1)];
        double Mean(double a, double b, double d) => a + (b - a) * d;
        double Spline(double v1, double v2, double v3, double v4, double d) =>
            v2 + d * (-v1 + v3 + d * (2 * (v1 - v2) + v3 - v4 + d * (-v1 + v2 - v3 + v4)));
        double Line(int i) => cubic ? Spline(Pixel(i, -1), Pixel(i, 0), Pixel(i, 1), Pixel(i, 2), dx) : Mean(Pixel(i, 0), Pixel(i, 1), dx);
        return (byte)Math.Clamp(cubic ? Spline(Line(-1), Line(0), Line(1), Line(2), dy) : Mean(Line(0), Line(1), dy), 0, 255);
    }
}
