using Tessera.Data.Imaging;
using Tessera.Data.Transforms;

namespace Tessera.Data.Tests;

/// <summary>The colours of views in SimCLR and BYOL.</summary>
public sealed class ColorDistortionTests
{
    private const int Draws = 4000;

    // No jitter, nothing grey, blurred or solarised.
    private static readonly ColorDistortion none = new(Probability: 0, Grayscale: 0);

    private static byte[] Apply(ColorDistortion transform, Raster image, int draw = 0)
    {
        var canvas = MadeUp.CanvasOf(image);
        var random = new SampleRandom(3, 0, draw);
        transform.Apply(canvas, ref random);
        return canvas.Image.Values.ToArray();
    }

    private static Raster Plain(int channels, int height, int width, params byte[] color)
    {
        var image = new Raster(channels, height, width);
        for (var c = 0; c < channels; c++)
            image.Plane(c).Fill(color[c]);
        return image;
    }

    [Fact]
    public void Nothing_happens_by_chance_0_and_every_part_by_its_own()
    {
        var image = MadeUp.NoiseImage(3, 24, 20);
        var before = image.Values.ToArray();
        Assert.Equal(before, Apply(none, image));
        var grey = Apply(none with { Grayscale = 1 }, image);
        for (var i = 0; i < image.PlaneSize; i++)
        {
            var expected = 0.2989 * before[i] + 0.587 * before[image.PlaneSize + i] + 0.114 * before[2 * image.PlaneSize + i];
            Assert.InRange(grey[i], expected - 0.51, expected + 0.51);
            Assert.Equal((grey[i], grey[i]), (grey[image.PlaneSize + i], grey[2 * image.PlaneSize + i]));
        }
        // 127 lies below the middle, 128 above it.
        Assert.Equal(before.Select(v => v >= 128 ? (byte)(255 - v) : v), Apply(none with { Solarize = 1 }, image));
        Assert.NotEqual(before, Apply(none with { Blur = 1 }, image));
        Assert.NotEqual(before, Apply(none with { Probability = 1 }, image));
    }

    [Theory]
    [InlineData("jitter", 0.8)]
    [InlineData("grayscale", 0.2)]
    [InlineData("blur", 0.5)]
    [InlineData("solarize", 0.2)]
    public void Each_part_comes_as_often_as_it_says(string part, double share)
    {
        ColorDistortion With(double chance) =>
            part switch
            {
                "jitter" => none with { Probability = chance, Hue = 0, Saturation = 0, Contrast = 0 },
                "grayscale" => none with { Grayscale = chance },
                "blur" => none with { Blur = chance },
                _ => none with { Solarize = chance },
            };
        var image = MadeUp.NoiseImage(3, 20, 4);
        var before = image.Values.ToArray();
        bool[] Changed(double chance) =>
            [.. Enumerable.Range(0, Draws).Select(draw => !Apply(With(chance), image, draw).SequenceEqual(before))];
        // A draw too weak to change a byte is so by any chance.
        var (always, found) = (Changed(1), Changed(share));
        Assert.All(found.Zip(always), pair => Assert.True(!pair.First || pair.Second));
        var visible = always.Count(changed => changed);
        Assert.True(visible > Draws * 0.8);
        // Five deviations.
        var room = 5 * Math.Sqrt(share * (1 - share) / visible);
        Assert.InRange(found.Count(changed => changed) / (double)visible, share - room, share + room);
    }

    [Fact]
    public void Brightness_is_multiplied_or_added_within_its_range()
    {
        var only = none with { Probability = 1, Contrast = 0, Saturation = 0, Hue = 0, Brightness = 0.4 };
        var image = Plain(3, 1, 1, 100, 100, 100);
        var multiplied = Enumerable.Range(0, Draws).Select(draw => (double)Apply(only, image, draw)[0]).ToArray();
        Assert.InRange(multiplied.Min(), 60, 62);
        Assert.InRange(multiplied.Max(), 138, 140);
        Assert.Equal(100, multiplied.Average(), 1.5);
        var added = Enumerable.Range(0, Draws).Select(draw => (double)Apply(only with { Additive = true }, image, draw)[0]).ToArray();
        Assert.InRange(added.Max(), 200, 202);
        // 100 - 102 is cut to black.
        Assert.Equal(0, added.Min());
        // Half the strength is half the range.
        var weak = Enumerable.Range(0, Draws).Select(draw => (double)Apply(only with { Strength = 0.5 }, image, draw)[0]).ToArray();
        Assert.InRange(weak.Min(), 80, 81);
        Assert.InRange(weak.Max(), 119, 120);
    }

    [Fact]
    public void Factors_of_a_strength_above_1_do_not_fall_below_0()
    {
        var strong = none with { Probability = 1, Strength = 2, Hue = 0.2 };
        var image = MadeUp.NoiseImage(3, 8, 8);
        for (var draw = 0; draw < 200; draw++)
            Assert.Equal(image.Values.Length, Apply(strong, image, draw).Length);
        var only = none with { Probability = 1, Contrast = 0, Saturation = 0, Hue = 0, Brightness = 0.8, Strength = 2 };
        var values = Enumerable.Range(0, Draws).Select(draw => (double)Apply(only, Plain(3, 1, 1, 50, 50, 50), draw)[0]).ToArray();
        Assert.InRange(values.Min(), 0, 1);
        Assert.InRange(values.Max(), 128, 130);
    }

    [Fact]
    public void The_order_of_a_jitter_is_random()
    {
        // Two colours: contrast before brightness gives other values than after it.
        var image = new Raster(1, 1, 2);
        (image.Values[0], image.Values[1]) = (10, 250);
        var jitter = none with { Probability = 1, Saturation = 0, Hue = 0, Brightness = 0.6, Contrast = 0.6, Additive = true };
        var sums = Enumerable.Range(0, Draws).Select(draw => Apply(jitter, image, draw)).ToArray();
        // Where contrast comes last, both values can leave an end that brightness has cut them to; where it comes first, one is cut.
        Assert.Contains(sums, pair => pair[0] == 0 && pair[1] < 130);
        Assert.Contains(sums, pair => pair[1] == 255 && pair[0] > 130);
        Assert.True(sums.Select(pair => (pair[0], pair[1])).Distinct().Count() > Draws / 4);
    }

    [Theory]
    [InlineData(19, true)]
    [InlineData(20, false)]
    public void The_kernel_goes_by_the_height_and_borders_become_darker(int height, bool same)
    {
        var image = Plain(1, height, 31, 200);
        var blurred = Enumerable.Range(0, 20).Select(draw => Apply(none with { Blur = 1 }, image, draw)).MinBy(values => values[0])!;
        // Of a tenth of the height, rounded down, half is the radius.
        if (same)
        {
            Assert.All(blurred, value => Assert.Equal(200, value));
            return;
        }
        Assert.True(blurred[0] < 150);
        Assert.Equal(200, blurred[height / 2 * 31 + 15]);
        Assert.Equal(blurred[0], blurred[^1]);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(7)]
    public void A_blur_is_the_sum_that_it_says_also_where_the_kernel_is_wider_than_the_image(int radius)
    {
        const int height = 5,
            width = 11;
        const double deviation = 1.7;
        var random = new Random(4);
        var image = Enumerable.Range(0, 2 * height * width).Select(_ => random.NextDouble()).ToArray();
        var found = image.ToArray();
        UnitBlur.Apply(found.AsSpan(), height, width, radius, deviation);
        double Weight(int distance) => Math.Abs(distance) > radius ? 0 : Math.Exp(-distance * distance / (2 * deviation * deviation));
        var all = Enumerable.Range(-radius, 2 * radius + 1).Sum(Weight);
        for (var c = 0; c < 2; c++)
        for (var y = 0; y < height; y++)
        for (var x = 0; x < width; x++)
        {
            var sum = 0.0;
            for (var v = 0; v < height; v++)
            for (var u = 0; u < width; u++)
                sum += image[(c * height + v) * width + u] * Weight(v - y) * Weight(u - x) / (all * all);
            Assert.Equal(sum, found[(c * height + y) * width + x], 1e-12);
        }
    }

    [Theory]
    [InlineData(1 / 3.0, 0.0, 0.8, 0.2)]
    [InlineData(-1 / 3.0, 0.2, 0.0, 0.8)]
    [InlineData(0.5, 0.0, 0.6, 0.8)]
    public void A_hue_turns_by_a_share_of_the_circle(double share, double red, double green, double blue)
    {
        double[] color = [0.8, 0.2, 0];
        UnitColors.Turn(color.AsSpan(), share);
        Assert.Equal([red, green, blue], color.Select(value => Math.Round(value, 12)));
    }

    [Fact]
    public void A_whole_turn_and_a_factor_of_1_change_nothing_and_no_saturation_makes_grey()
    {
        var random = new Random(9);
        var image = Enumerable.Range(0, 3 * 50).Select(_ => random.NextDouble()).ToArray();
        foreach (var share in (double[])[-1, 0, 1])
        {
            var turned = image.ToArray();
            UnitColors.Turn(turned.AsSpan(), share);
            Assert.All(image.Zip(turned), pair => Assert.Equal(pair.First, pair.Second, 1e-12));
        }
        var same = image.ToArray();
        UnitColors.Saturate(same.AsSpan(), 1.0);
        Assert.All(image.Zip(same), pair => Assert.Equal(pair.First, pair.Second, 1e-12));
        var grey = image.ToArray();
        UnitColors.Saturate(grey.AsSpan(), 0.0);
        for (var i = 0; i < 50; i++)
        {
            var high = Math.Max(image[i], Math.Max(image[50 + i], image[100 + i]));
            Assert.Equal((high, high, high), (grey[i], grey[50 + i], grey[100 + i]));
        }
        // A large factor makes the purest colour of the hue.
        double[] pale = [0.8, 0.6, 0.4];
        UnitColors.Saturate(pale.AsSpan(), 9.0);
        Assert.Equal([0.8, 0.4, 0], pale.Select(value => Math.Round(value, 12)));
    }

    [Fact]
    public void Grey_images_of_one_channel_are_changed_by_what_they_have()
    {
        var image = MadeUp.NoiseImage(1, 12, 12);
        var before = image.Values.ToArray();
        Assert.Equal(before, Apply(none with { Probability = 1, Brightness = 0, Contrast = 0, Grayscale = 1 }, image));
        Assert.NotEqual(before, Apply(none with { Probability = 1 }, image));
    }

    [Fact]
    public void Fields_outside_of_their_ranges_are_refused_by_name()
    {
        Refused("color_distortion: hue of 0.3: it must be from 0 to 0.5, also when strength multiplies it", () => new(2, Hue: 0.3));
        Refused("color_distortion: strength of -1: it must be at least 0", () => new(-1));
        Refused("color_distortion: contrast of NaN: it must be at least 0", () => new(Contrast: double.NaN));
        Refused("color_distortion: blur of 1.5: it must be from 0 to 1", () => new(Blur: 1.5));

        static void Refused(string message, Func<ColorDistortion> make) =>
            Assert.Equal(message, Assert.Throws<DataException>(make).Message);
    }

    [Fact]
    public void A_color_jitter_comes_as_often_as_it_says_and_draws_nothing_where_it_always_comes()
    {
        var image = MadeUp.NoiseImage(3, 6, 6);
        byte[] Jittered(double probability, int draw)
        {
            var canvas = MadeUp.CanvasOf(image);
            var random = new SampleRandom(3, 0, draw);
            new ColorJitter(0.4, 0.4, 0.4, 0.1, probability).Apply(canvas, ref random);
            return canvas.Image.Values.ToArray();
        }
        var changed = Enumerable.Range(0, Draws).Count(draw => !Jittered(0.8, draw).SequenceEqual(image.Values.ToArray()));
        Assert.InRange(changed / (double)Draws, 0.8 - 0.035, 0.8 + 0.032);
        Assert.Equal(image.Values.ToArray(), Jittered(0, 1));
        var own = MadeUp.CanvasOf(image);
        var first = new SampleRandom(3, 0, 7);
        new ColorJitter(0.4).Apply(own, ref first);
        var second = new SampleRandom(3, 0, 7);
        Span<int> order = [0, 1, 2, 3];
        second.Shuffle(order);
        var expected = MadeUp.CanvasOf(image);
        ColorOps.Brightness(expected.Image, (float)second.Uniform(0.6, 1.4));
        Assert.Equal(expected.Image.Values.ToArray(), own.Image.Values.ToArray());
    }
}
