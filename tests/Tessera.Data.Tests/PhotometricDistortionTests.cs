using Tessera.Data.Imaging;
using Tessera.Data.Transforms;

namespace Tessera.Data.Tests;

/// <summary>The colour distortion of segmentation recipes, and the HSV space that it works in.</summary>
public sealed class PhotometricDistortionTests
{
    private static (int, int, int) Changed(byte r, byte g, byte b, Action<Raster> change)
    {
        var image = Raster.FromInterleaved([r, g, b], 3, 1, 1);
        change(image);
        return (image.Values[0], image.Values[1], image.Values[2]);
    }

    [Theory]
    [InlineData(60, 0, 255, 0)]
    [InlineData(-60, 0, 0, 255)]
    [InlineData(30, 255, 255, 0)]
    [InlineData(90, 0, 255, 255)]
    [InlineData(150, 255, 0, 255)]
    [InlineData(180, 255, 0, 0)]
    [InlineData(-180, 255, 0, 0)]
    public void Red_turns_by_steps_of_two_degrees(int steps, int r, int g, int b) =>
        Assert.Equal((r, g, b), Changed(255, 0, 0, image => HsvOps.Turn(image, steps)));

    [Fact]
    public void Saturation_goes_from_grey_to_pure_and_keeps_the_brightest_value()
    {
        Assert.Equal((200, 200, 200), Changed(100, 50, 200, image => HsvOps.Saturate(image, 0)));
        Assert.Equal((200, 0, 0), Changed(200, 100, 100, image => HsvOps.Saturate(image, 9)));
        // Half of the range is a saturation of 127 in bytes; twice that is 254, and half of it 63.
        Assert.Equal((200, 1, 1), Changed(200, 100, 100, image => HsvOps.Saturate(image, 2)));
        Assert.Equal((200, 151, 151), Changed(200, 100, 100, image => HsvOps.Saturate(image, 0.5f)));
        Assert.Equal((7, 7, 7), Changed(7, 7, 7, image => HsvOps.Turn(image, 50)));
        var grey = new Raster(1, 1, 1);
        grey.Values[0] = 9;
        HsvOps.Saturate(grey, 0);
        Assert.Equal(9, grey.Values[0]);
    }

    /// <summary>
    /// The same in real numbers. Rounding to 180 hues moves a value by at most 255 / 30 / 2, rounding the saturation by half a step and
    /// that of the result by another half; a hue that was turned is rounded once.
    /// </summary>
    [Fact]
    public void Any_color_is_turned_up_to_the_rounding_of_its_bytes()
    {
        var image = MadeUp.NoiseImage(3, 60, 60);
        var before = image.ToInterleaved();
        HsvOps.Turn(image, 17);
        var after = image.ToInterleaved();
        for (var i = 0; i < before.Length; i += 3)
        {
            var (r, g, b) = Turned(before[i], before[i + 1], before[i + 2], 34);
            Assert.InRange(after[i] - r, -5.5, 5.5);
            Assert.InRange(after[i + 1] - g, -5.5, 5.5);
            Assert.InRange(after[i + 2] - b, -5.5, 5.5);
        }
    }

    // Without sectors: f(n) = v - v s max(0, min(k, 4 - k, 1)) with k = (n + h / 60) mod 6.
    private static (double R, double G, double B) Turned(double r, double g, double b, double degrees)
    {
        var (most, least) = (Math.Max(r, Math.Max(g, b)), Math.Min(r, Math.Min(g, b)));
        var range = most - least;
        var hue =
            range == 0 ? 0
            : most == r ? (g - b) / range
            : most == g ? 2 + (b - r) / range
            : 4 + (r - g) / range;
        hue += degrees / 60 + 6;
        return (Part(5), Part(3), Part(1));

        double Part(int n)
        {
            var k = (n + hue) % 6;
            return most - range * Math.Max(0, Math.Min(Math.Min(k, 4 - k), 1));
        }
    }

    private static byte[] Distorted(PhotometricDistortion step, byte value, int count)
    {
        var result = new byte[count];
        for (var i = 0; i < count; i++)
        {
            var (canvas, random) = (MadeUp.CanvasOf(new(1, 1, 1)), new SampleRandom(1, 0, i));
            canvas.Image.Values[0] = value;
            step.Apply(canvas, ref random);
            result[i] = canvas.Image.Values[0];
        }
        return result;
    }

    [Fact]
    public void Each_part_comes_in_half_of_the_images()
    {
        var brightness = Distorted(new(MinContrast: 1, MaxContrast: 1), 100, 4000);
        Assert.InRange(brightness.Count(value => value == 100), 1950, 2150);
        Assert.Equal((68, 131), (brightness.Min(), brightness.Max()));
        var contrast = Distorted(new(Brightness: 0), 100, 4000);
        Assert.InRange(contrast.Count(value => value == 100), 1900, 2150);
        Assert.Equal((50, 149), (contrast.Min(), contrast.Max()));
        Assert.InRange(contrast.Where(value => value != 100).Average(value => value), 98.0, 101.0);
        // Values are cut to bytes on the way.
        Assert.All(Distorted(new(Brightness: 255), 250, 500), value => Assert.InRange(value, 0, 255));
    }

    [Fact]
    public void Colors_change_and_grey_stays_grey()
    {
        var (changed, kept) = (0, 0);
        for (var i = 0; i < 400; i++)
        {
            var (canvas, random) = (new Canvas(), new SampleRandom(1, 0, i));
            canvas.Image.CopyFrom(Raster.FromInterleaved([200, 100, 50, 90, 90, 90], 3, 1, 2));
            new PhotometricDistortion(0, 1, 1).Apply(canvas, ref random);
            var pixels = canvas.Image.ToInterleaved();
            Assert.Equal([90, 90, 90], pixels[3..]);
            Assert.Equal(200, pixels.Max());
            if (pixels.AsSpan(0, 3).SequenceEqual((byte[])[200, 100, 50]))
                kept++;
            else
                changed++;
        }
        // Neither hue nor saturation is drawn in a quarter of the images.
        Assert.InRange(kept, 75, 140);
        Assert.Equal(400, kept + changed);
    }
}
