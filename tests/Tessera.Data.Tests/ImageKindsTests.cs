using System.Diagnostics;
using Tessera.Data.Images;
using Tessera.Data.Imaging;
using Tessera.Data.Loading;
using Tessera.Data.Transforms;
using Tessera.Testing;

namespace Tessera.Data.Tests;

/// <summary>Kinds of image files that are rare and good, and those that are refused by name.</summary>
public sealed class ImageKindsTests : IDisposable
{
    private readonly TempFolder folder = new();

    public void Dispose() => folder.Dispose();

    private byte[] Decode(byte[] file, int height, int width)
    {
        var image = new Raster();
        ImageDecoder.Decode(folder.Write("image", file), image);
        Assert.Equal((3, height, width), (image.Channels, image.Height, image.Width));
        return image.ToInterleaved();
    }

    private static byte[] Grey(params byte[] values) => [.. values.SelectMany(value => Enumerable.Repeat(value, 3))];

    private void Refused(byte[] file, string problem)
    {
        var error = Assert.Throws<UnreadableImageException>(() => Decode(file, 0, 0));
        Assert.Contains(problem, error.Problem, StringComparison.Ordinal);
    }

    [Fact]
    public void Sizes_that_a_bmp_repeats_wrongly_do_not_matter()
    {
        byte[] pixels = [1, 2, 3, 4, 5, 6, 0, 0, 7, 8, 9, 10, 11, 12, 0, 0];
        byte[] expected = [9, 8, 7, 12, 11, 10, 3, 2, 1, 6, 5, 4];
        var file = ImageBytes.Bmp(2, 2, 24, pixels);
        Assert.Equal(expected, Decode(file, 2, 2));
        foreach (var place in new[] { 2, 34 })
        {
            byte[] wrong = [.. file];
            (wrong[place], wrong[place + 1]) = (0x39, 0x7F);
            Assert.Equal(expected, Decode(wrong, 2, 2));
        }
        Assert.Equal(expected, Decode([.. file, .. new byte[100]], 2, 2));
        // Without what fills up the last row.
        Assert.Equal(expected, Decode(file[..^2], 2, 2));
        Refused(file[..^3], "cut off: 13 bytes cannot hold 2x2 pixels of 24 bits");
        Assert.Equal([3, 2, 1, 6, 5, 4, 9, 8, 7, 12, 11, 10], Decode(ImageBytes.Bmp(2, -2, 24, pixels), 2, 2));
    }

    [Theory]
    [InlineData(12, 3)]
    [InlineData(40, 4)]
    [InlineData(64, 4)]
    [InlineData(64, 3)]
    [InlineData(108, 4)]
    [InlineData(124, 4)]
    public void Palettes_of_bmp_files_are_found_behind_every_header(int header, int entry)
    {
        byte[] palette = [.. Enumerable.Range(0, 16).SelectMany(i => new byte[] { (byte)i, (byte)(2 * i), (byte)(3 * i), 0 }[..entry])];
        byte[] expected = [6, 4, 2, 45, 30, 15, 3, 2, 1];
        Assert.Equal(expected, Decode(ImageBytes.Bmp(3, 1, 4, [0x2F, 0x10, 0, 0], header, between: palette), 1, 3));
    }

    [Fact]
    public void Bmp_files_have_masks_and_run_lengths()
    {
        byte[] masks = [0, 0xF8, 0, 0, 0xE0, 7, 0, 0, 0x1F, 0, 0, 0];
        Assert.Equal([255, 0, 0, 0, 255, 0], Decode(ImageBytes.Bmp(2, 1, 16, [0, 0xF8, 0xE0, 7], compression: 3, between: masks), 1, 2));
        Assert.Equal([0, 0, 255, 8, 0, 0], Decode(ImageBytes.Bmp(2, 1, 16, [0x1F, 0, 0, 4]), 1, 2));
        byte[] palette = [.. Enumerable.Range(0, 256).SelectMany(i => new byte[] { (byte)i, (byte)i, (byte)i, 0 })];
        // Three equal pixels, the end of the row, three that differ, the end.
        byte[] runs = [3, 7, 0, 0, 0, 3, 1, 2, 3, 0, 0, 1];
        Assert.Equal(Grey(1, 2, 3, 7, 7, 7), Decode(ImageBytes.Bmp(3, 2, 8, runs, compression: 1, between: palette), 2, 3));
        Refused(ImageBytes.Bmp(3, 2, 8, runs[..6], compression: 1, between: palette), "cut off: the BMP ends in row 1 of 2");
        Refused(ImageBytes.Bmp(3, 2, 8, [3, 7, 0, 1], compression: 1, between: palette), "damaged BMP: its data end in row 0 of 2");
        Refused(ImageBytes.Bmp(2, 1, 24, new byte[8], compression: 4), "damaged BMP: compression 4 with 24 bits per pixel is not read");
    }

    [Fact]
    public void Pixels_of_a_gif_keep_their_colour_where_they_are_transparent()
    {
        var expected = ImageBytes.FourColors;
        Assert.Equal(expected, Decode(ImageBytes.Gif(4, 1, [0, 1, 2, 3]), 1, 4));
        Assert.Equal(expected, Decode(ImageBytes.Gif(4, 1, [0, 1, 2, 3], transparent: 1), 1, 4));
    }

    [Fact]
    public void Interlaced_gif_files_have_their_rows_in_place()
    {
        // As many rows as have all four passes, and fewer.
        foreach (var height in new[] { 1, 2, 3, 5, 8, 17 })
        {
            (int Start, int Step)[] passes = [(0, 8), (4, 8), (2, 4), (1, 2)];
            int[] order =
            [
                .. passes.SelectMany(pass =>
                    Enumerable.Range(0, height).Where(row => row >= pass.Start && (row - pass.Start) % pass.Step == 0)
                ),
            ];
            int[] colors = [.. Enumerable.Range(0, height).Select(row => row * row % 3)];
            var plain = Decode(ImageBytes.Gif(2, height, [.. colors.SelectMany(c => new[] { c, 3 })]), height, 2);
            var mixed = ImageBytes.Gif(2, height, [.. order.SelectMany(row => new[] { colors[row], 3 })], interlaced: true);
            Assert.Equal(plain, Decode(mixed, height, 2));
        }
    }

    [Fact]
    public void Values_of_a_pnm_are_scaled_by_the_largest()
    {
        Assert.Equal(Grey(0, 119, 255), Decode([.. "P2 3 1 15 0 7 15"u8], 1, 3));
        Assert.Equal([8, 132, 255], Decode([.. "P6 1 1 31\n"u8, 1, 16, 31], 1, 1));
        Assert.Equal([0, 128, 255], Decode([.. "P6 1 1 65535\n"u8, 0, 1, 128, 0, 255, 255], 1, 1));
        Assert.Equal(Grey(1, 255), Decode([.. "P5 2 1 65535\n"u8, 1, 255, 255, 255], 1, 2));
        Assert.Equal(Grey(0, 255, 0, 255), Decode([.. "P4 2 2\n"u8, 0x80, 0xBF], 2, 2));
        Assert.Equal(Grey(0, 255, 0, 255), Decode([.. "P1 2 2\n1010"u8], 2, 2));
    }

    [Fact]
    public void A_big_tiff_is_read_as_a_small_one()
    {
        byte[] pixels = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];
        (int, int[])[] tags = [(258, [8, 8, 8]), (259, [1]), (262, [2]), (277, [3])];
        Assert.Equal(pixels, Decode(ImageBytes.Tiff(2, 2, pixels, tags), 2, 2));
        Assert.Equal(pixels, Decode(ImageBytes.Tiff(2, 2, pixels, tags, big: true), 2, 2));
    }

    [Theory]
    [InlineData(1, new byte[] { 1, 2, 3, 4, 5, 6 })]
    [InlineData(2, new byte[] { 3, 2, 1, 6, 5, 4 })]
    [InlineData(3, new byte[] { 6, 5, 4, 3, 2, 1 })]
    [InlineData(4, new byte[] { 4, 5, 6, 1, 2, 3 })]
    [InlineData(5, new byte[] { 1, 4, 2, 5, 3, 6 })]
    [InlineData(6, new byte[] { 4, 1, 5, 2, 6, 3 })]
    [InlineData(7, new byte[] { 6, 3, 5, 2, 4, 1 })]
    [InlineData(8, new byte[] { 3, 6, 2, 5, 1, 4 })]
    public void A_tiff_is_turned_as_it_says(int orientation, byte[] expected)
    {
        var file = ImageBytes.Tiff(3, 2, [1, 2, 3, 4, 5, 6], [(258, [8]), (259, [1]), (262, [1]), (274, [orientation]), (277, [1])]);
        var (height, width) = orientation < 5 ? (2, 3) : (3, 2);
        Assert.Equal(Grey(expected), Decode(file, height, width));
    }

    [Theory]
    [InlineData("floating-point values of 32 bits", 32, 1, 3, 1)]
    [InlineData("signed values of 16 bits", 16, 1, 2, 1)]
    [InlineData("12 bits per value", 12, 1, 1, 1)]
    [InlineData("32 bits per value", 32, 1, 1, 1)]
    [InlineData("CIELab colours", 8, 8, 1, 1)]
    [InlineData("tiles of one channel each", 8, 2, 1, 2)]
    public void A_tiff_of_a_kind_that_is_not_read_is_refused_by_its_name(string name, int bits, int photometric, int format, int planes)
    {
        (int, int[])[] tags =
        [
            (258, [bits, bits, bits]),
            (259, [1]),
            (262, [photometric]),
            (277, [3]),
            (284, [planes]),
            (339, [format, format, format]),
            .. planes == 2 ? ((int, int[])[])[(322, [16]), (323, [16])] : [],
        ];
        foreach (var big in new[] { false, true })
            Refused(ImageBytes.Tiff(16, 16, new byte[3072], tags, big), $"a TIFF with {name}");
    }

    [Fact]
    public void Grey_of_16_bits_is_cut_to_8()
    {
        var file = ImageBytes.Png(1, 3, _ => [0, 200, 0x12, 0x34, 255, 0], depth: 16);
        Assert.Equal(Grey(0, 0x12, 255), Decode(file, 1, 3));
    }

    [Fact]
    public void Nothing_but_files_is_opened()
    {
        var pipe = folder["pipe.png"];
        using (var made = Process.Start("mkfifo", [pipe]))
            made.WaitForExit();
        foreach (var path in new[] { pipe, "/dev/zero", "/dev/null", folder.Path })
            Assert.Equal(
                $"{path}: not a file but a folder, a pipe or a device",
                Assert.Throws<UnreadableImageException>(() => ImageDecoder.Decode(path, new Raster())).Message
            );
        Assert.Equal(
            $"{folder["none.png"]} does not exist",
            Assert.Throws<DataException>(() => ImageDecoder.Decode(folder["none.png"], new Raster())).Message
        );
    }

    [Fact]
    public void What_ImageMagick_would_read_is_refused()
    {
        foreach (
            var file in new byte[][]
            {
                [.. "8BPS"u8, 0, 1, 0, 0],
                [.. "<svg xmlns='http://www.w3.org/2000/svg'/>"u8],
                [.. "%!PS-Adobe-3.0"u8],
                [.. "P7\nWIDTH 1\n"u8],
            }
        )
            Refused(file, "not a JPEG, PNG, WebP, GIF, TIFF, BMP or PNM image");
        // A TIFF that libtiff refuses.
        Refused([.. "II*\0"u8, 200, 0, 0, 0], "cannot be decoded as TIFF: ");
    }

    [Fact]
    public void More_pixels_than_the_limit_are_an_unreadable_image_in_every_format()
    {
        var folders = Repository.Tests("samples", "images");
        foreach (var path in Directory.GetFiles(folders))
        {
            using var image = ImageFile.Open(path);
            var count = image.Height * image.Width;
            ImageFile.Open(path, maxPixels: count).Dispose();
            var error = Assert.Throws<UnreadableImageException>(() => ImageFile.Open(path, maxPixels: count - 1));
            Assert.Equal($"{image.Width}x{image.Height} pixels: more than {count - 1} (data.max_pixels)", error.Problem);
        }
        Refused([.. "P6 20000 20000 255\n"u8], "20000x20000 pixels: more than 178956970 (data.max_pixels)");
    }

    [Fact]
    public void A_large_image_that_is_resized_first_is_never_held_whole()
    {
        const int side = 3000;
        var line = new byte[side];
        new Random(1).NextBytes(line.AsSpan(0, 500));
        var path = folder.Write("large.png", ImageBytes.Png(side, side, _ => line));
        var images = new FileImages("large", "test", [path], new Unlabelled(1));
        foreach (var first in new ImageTransform[] { new EvaluationCrop(32), new Resize(32), new Squash(32) })
        {
            var loader = new Loader(images, new Pipeline([first]), new(1) { Workers = 0, Replacement = Replacement.Never });
            loader.Epoch(0).First().Dispose();
            var before = GC.GetAllocatedBytesForCurrentThread();
            using var batch = loader.Epoch(0).First();
            Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 1, side * side);
            // As if it were.
            var canvas = new Canvas();
            ImageDecoder.Decode(path, canvas.Image);
            var random = new SampleRandom(0, 0, 0);
            first.Apply(canvas, ref random);
            var values = new float[canvas.Image.Values.Length];
            var table = images.Normalization.Table(3);
            for (var i = 0; i < values.Length; i++)
                values[i] = table[i / canvas.Image.PlaneSize * 256 + canvas.Image.Values[i]];
            Assert.Equal(values, batch.Inputs.ToArray<float>());
        }
    }

    [Fact]
    public void The_error_of_a_single_image_reaches_who_asked_for_it()
    {
        var images = new FileImages("given", "test", [folder.Write("bad.png", [1, 2, 3])], new Unlabelled(1));
        var loader = new Loader(images, Pipeline.Plain, new(1) { Workers = 0, Replacement = Replacement.Never });
        Assert.Equal(
            $"{folder["bad.png"]}: not a JPEG, PNG, WebP, GIF, TIFF, BMP or PNM image",
            Assert.Throws<UnreadableImageException>(() => loader.Epoch(0).First()).Message
        );
    }
}
