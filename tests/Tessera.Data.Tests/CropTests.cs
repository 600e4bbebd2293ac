using Tessera.Data.Imaging;
using Tessera.Data.Transforms;

namespace Tessera.Data.Tests;

public class CropTests
{
    private static SampleRandom random = new(3, 0, 0);

    [Theory]
    [InlineData(Padding.Constant)]
    [InlineData(Padding.Reflect)]
    public void A_window_shows_the_image_and_its_padding(Padding mode)
    {
        var image = MadeUp.NoiseImage(2, 5, 7);
        foreach (var (height, width) in (ReadOnlySpan<(int, int)>)[(5, 7), (2, 3)])
            for (var top = -6; top <= 7; top++)
            for (var left = -8; left <= 9; left++)
                Shows(image, top, left, height, width, mode);

        static void Shows(Raster image, int top, int left, int height, int width, Padding mode)
        {
            var canvas = MadeUp.CanvasOf(image);
            Window.Cut(canvas, top, left, height, width, mode == Padding.Constant ? 9 : null);
            for (var c = 0; c < 2; c++)
            for (var y = 0; y < height; y++)
            for (var x = 0; x < width; x++)
            {
                var (sy, sx) = (y + top, x + left);
                if (mode == Padding.Reflect)
                    (sy, sx) = (Reflect(sy, 5), Reflect(sx, 7));
                var expected = sy is >= 0 and < 5 && sx is >= 0 and < 7 ? image.Row(c, sy)[sx] : (byte)9;
                Assert.Equal(expected, canvas.Image.Row(c, y)[x]);
            }
        }

        static int Reflect(int position, int size)
        {
            while (position < 0 || position >= size)
                position = position < 0 ? -position : 2 * (size - 1) - position;
            return position;
        }
    }

    [Fact]
    public void All_positions_of_a_crop_are_equally_frequent()
    {
        var image = new Raster(1, 3, 3);
        image.Values[4] = 1;
        var counts = new int[9];
        for (var i = 0; i < 9000; i++)
        {
            var canvas = MadeUp.CanvasOf(image);
            new RandomCrop(Pad: 1).Apply(canvas, ref random);
            counts[canvas.Image.Values.IndexOf((byte)1)]++;
        }
        Assert.All(counts, count => Assert.InRange(count, 850, 1150));
    }

    [Fact]
    public void A_flip_mirrors_half_of_the_images()
    {
        var image = MadeUp.NoiseImage(3, 4, 5);
        var flips = 0;
        for (var i = 0; i < 4000; i++)
        {
            var canvas = MadeUp.CanvasOf(image);
            new RandomHorizontalFlip().Apply(canvas, ref random);
            if (canvas.Image.Values.SequenceEqual(image.Values))
                continue;
            flips++;
            Assert.Equal(image.Row(2, 1)[4], canvas.Image.Row(2, 1)[0]);
        }
        Assert.InRange(flips, 1850, 2150);
    }

    [Fact]
    public void A_window_larger_than_the_padded_image_is_an_error() =>
        Assert.Contains(
            "window of 9x9",
            Assert
                .Throws<DataException>(() => new RandomCrop(Pad: 1, Size: 9).Apply(MadeUp.CanvasOf(new Raster(1, 5, 5)), ref random))
                .Message,
            StringComparison.Ordinal
        );
}
