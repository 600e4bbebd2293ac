using Tessera.Data.Imaging;
using Tessera.Data.Loading;
using Tessera.Data.Sets;
using Tessera.Data.Transforms;
using Tessera.Testing;

namespace Tessera.Data.Tests;

public class ImageFileTests
{
    private static readonly string scene = Repository.Tests("samples", "scene", "scene.jpg");

    private static Raster Decoded(string path)
    {
        var image = new Raster();
        ImageDecoder.Decode(path, image);
        return image;
    }

    private static Raster Exact(Raster whole, Part part, int height, int width, Interpolation interpolation)
    {
        var canvas = MadeUp.CanvasOf(whole);
        Window.Cut(canvas, part.Top, part.Left, part.Height, part.Width);
        Resampling.Resize(canvas, height, width, interpolation);
        return canvas.Image;
    }

    private static double Difference(Raster a, Raster b)
    {
        Assert.Equal((a.Channels, a.Height, a.Width), (b.Channels, b.Height, b.Width));
        var sum = 0L;
        for (var i = 0; i < a.Values.Length; i++)
            sum += Math.Abs(a.Values[i] - b.Values[i]);
        return sum / (double)a.Values.Length;
    }

    [Fact]
    public void A_part_of_a_file_equals_that_part_of_the_decoded_image_byte_for_byte()
    {
        foreach (var path in Directory.GetFiles(Repository.Tests("samples", "images")).Append(scene))
        {
            var whole = Decoded(path);
            var random = new Random(1);
            foreach (
                var interpolation in new[] { Interpolation.Nearest, Interpolation.Bilinear, Interpolation.Bicubic, Interpolation.Lanczos }
            )
                for (var i = 0; i < 8; i++)
                {
                    var (top, left) = (random.Next(whole.Height), random.Next(whole.Width));
                    var part = new Part(top, left, random.Next(1, whole.Height - top + 1), random.Next(1, whole.Width - left + 1));
                    // Also a width that stays, where there is nothing to do in one direction.
                    var (height, width) = (random.Next(1, 40), i % 4 == 0 ? part.Width : random.Next(1, 40));
                    var canvas = new Canvas();
                    using var file = ImageFile.Open(path);
                    Assert.Equal((whole.Height, whole.Width), (file.Height, file.Width));
                    file.Resize(canvas, part, height, width, interpolation);
                    Assert.True(
                        Difference(Exact(whole, part, height, width, interpolation), canvas.Image) == 0,
                        $"{path} {part} to {height}x{width}, {interpolation}"
                    );
                }
        }
    }

    [Theory]
    [InlineData(2, 100, 110)]
    [InlineData(4, 60, 57)]
    [InlineData(8, 30, 30)]
    public void A_shrunk_file_is_close_to_the_exact_one(int factor, int height, int width)
    {
        var whole = Decoded(scene);
        foreach (var part in new[] { new Part(0, 0, 241, 331), new Part(0, 3, 240, 327), new Part(1, 0, 240, 330) })
        {
            Assert.Equal(factor, ImageFile.Factor(part, height, width));
            var canvas = new Canvas();
            using var file = ImageFile.Open(scene);
            file.Resize(canvas, part, height, width, Interpolation.Bicubic, shrink: true);
            var exact = Exact(whole, part, height, width, Interpolation.Bicubic);
            var difference = Difference(exact, canvas.Image);
            // The scene is full of edges and fine waves: photographs come much closer. A shift by a pixel of the small image is further
            // away.
            var beside = Difference(
                exact,
                Exact(whole, part with { Left = part.Left + factor, Width = part.Width - factor }, height, width, Interpolation.Bicubic)
            );
            Assert.True(difference is > 0 and < 5 && difference < beside, $"{part}: {difference}, a shift {beside}");
        }
    }

    [Fact]
    public void Nothing_is_shrunk_below_the_size_that_is_wanted_nor_with_nearest_pixels()
    {
        Assert.Equal(1, ImageFile.Factor(new(0, 0, 447, 1000), 224, 224));
        Assert.Equal(2, ImageFile.Factor(new(0, 0, 448, 1000), 224, 224));
        Assert.Equal(8, ImageFile.Factor(new(0, 0, 9000, 9000), 224, 224));
        var canvas = new Canvas();
        using var file = ImageFile.Open(scene);
        file.Resize(canvas, new(0, 0, 240, 320), 24, 32, Interpolation.Nearest, shrink: true);
        Assert.Equal(0, Difference(Exact(Decoded(scene), new(0, 0, 240, 320), 24, 32, Interpolation.Nearest), canvas.Image));
        Assert.Throws<ArgumentOutOfRangeException>(() => file.Resize(canvas, new(2, 0, 240, 320), 8, 8, Interpolation.Box));
    }

    [Fact]
    public void A_crop_out_of_files_draws_and_shows_what_it_does_out_of_decoded_images()
    {
        using var folder = new TempFolder();
        for (var i = 0; i < 6; i++)
            folder.Write($"a/{i}.jpg", File.ReadAllBytes(scene));
        var set = Datasets.OpenImages("image_folder", "train", folder.Path);
        Transform[] steps =
        [
            new RandomResizedCrop(32, Interpolation: Interpolation.Random),
            new RandomHorizontalFlip(),
            new RandAugment("rand-m9-n2"),
            new RandomErasing(),
        ];
        // A step in front that does nothing, so that the crop finds a decoded image.
        Transform[] decoded = [new ToColor(), .. steps];
        var (expected, actual, shrunk) = (Run(new(decoded)), Run(new(steps)), Run(new(steps) { ShrinkOnLoad = true }));
        Assert.Equal(expected.Values, actual.Values);
        Assert.Equal(expected.Views, actual.Views);
        Assert.Equal(expected.Views, shrunk.Views);
        Assert.NotEqual(expected.Values, shrunk.Values);

        // Without operations that blow up differences of a level.
        var (near, far) = (Run(new(steps[..2])), Run(new(steps[..2]) { ShrinkOnLoad = true }));
        Assert.InRange(near.Values.Zip(far.Values).Average(pair => Math.Abs(pair.First - pair.Second)), 1e-6, 5 / 255.0 / 0.22);

        (float[] Values, ImageView[] Views) Run(Pipeline pipeline)
        {
            using var batch = new Loader(
                set,
                pipeline,
                new(6)
                {
                    Seed = 3,
                    Shuffle = true,
                    Workers = 0,
                }
            ).Epoch(2).Single();
            return (batch.Inputs.ToArray<float>(), [.. batch.Views[0].Images!]);
        }
    }

    [Theory]
    [InlineData(48, false)]
    [InlineData(48, true)]
    [InlineData(241, false)]
    public void A_file_that_was_cut_off_is_found_whatever_part_is_wanted(int rows, bool shrink)
    {
        var bytes = File.ReadAllBytes(scene);
        using var file = ImageFile.Open("cut.jpg", bytes[..(bytes.Length / 2)]);
        Assert.Throws<UnreadableImageException>(() =>
            file.Resize(new Canvas(), new(0, 0, rows, 331), 16, 16, Interpolation.Bicubic, shrink)
        );
    }

    [Fact]
    public void A_file_that_was_closed_says_so()
    {
        var file = ImageFile.Open("closed.ppm", [.. "P6 1 1 255\n"u8, 1, 2, 3]);
        Assert.Equal((1, 1), (file.Height, file.Width));
        file.Dispose();
        Assert.Throws<ObjectDisposedException>(() => file.Height);
        Assert.Throws<ObjectDisposedException>(() => file.Decode(new Raster()));
    }
}
