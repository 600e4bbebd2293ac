using Tessera.Data.Imaging;
using Tessera.Testing;

namespace Tessera.Data.Tests;

/// <summary>Damage is found in every format, and what does no harm is no damage.</summary>
public sealed class DamagedImagesTests : IDisposable
{
    private static readonly string images = Repository.Tests("samples", "images");
    private static readonly byte[] scene = File.ReadAllBytes(Repository.Tests("samples", "scene", "scene.jpg"));
    private readonly TempFolder folder = new();

    public void Dispose() => folder.Dispose();

    private static byte[] Sample(string name) => name == "scene.jpg" ? [.. scene] : File.ReadAllBytes(Path.Combine(images, name));

    private byte[] Decode(byte[] file)
    {
        var image = new Raster();
        ImageDecoder.Decode(folder.Write("image", file), image);
        return image.Values.ToArray();
    }

    private UnreadableImageException Refused(byte[] file, string problem)
    {
        var error = Assert.Throws<UnreadableImageException>(() => Decode(file));
        Assert.Contains(problem, error.Problem, StringComparison.Ordinal);
        return error;
    }

    // Where the compressed pixels of a JPEG begin.
    private static int Scan(byte[] file)
    {
        var start = file.AsSpan().IndexOf([(byte)0xFF, (byte)0xDA]);
        return start + 2 + (file[start + 2] << 8 | file[start + 3]);
    }

    private static byte[] Filled(byte[] file, int start, int count, byte value)
    {
        byte[] result = [.. file];
        result.AsSpan(start, count).Fill(value);
        return result;
    }

    [Theory]
    [InlineData("scene.jpg")]
    [InlineData("progressive.jpg")]
    [InlineData("grey.jpg")]
    [InlineData("cmyk.jpg")]
    public void A_jpeg_that_was_cut_off_and_closed_again_is_damaged(string name)
    {
        var file = Sample(name);
        Refused([.. file[..((Scan(file) + file.Length) / 2)], 0xFF, 0xD9], "remature end of ");
    }

    [Fact]
    public void Codes_that_a_jpeg_does_not_have_are_damage()
    {
        RefusedForItsCodes(WithBadCodes());
    }

    // libjpeg-turbo says the first, mozjpeg (in the package NetVips.Native) the second.
    private void RefusedForItsCodes(byte[] file) =>
        Assert.Matches("Corrupt JPEG data: (bad Huffman code|premature end of data segment)", Refused(file, "damaged JPEG: ").Problem);

    // No code is nothing but ones.
    private static byte[] WithBadCodes()
    {
        byte[] file = [.. scene];
        var start = (Scan(file) + file.Length) / 2;
        for (var i = start; i < start + 200; i++)
            file[i] = (byte)((i - start) % 2 == 0 ? 0xFF : 0);
        return file;
    }

    [Fact]
    public void Stray_bytes_in_front_of_the_marks_of_a_jpeg_do_no_harm()
    {
        var expected = Decode(scene);
        var table = scene.AsSpan().IndexOf([(byte)0xFF, (byte)0xDB]);
        Assert.Equal(expected, Decode([.. scene[..table], 1, 2, 3, .. scene[table..]]));
        var frame = scene.AsSpan().IndexOf([(byte)0xFF, (byte)0xC0]);
        Assert.Equal(expected, Decode([.. scene[..table], 0, .. scene[table..frame], 0xFF, 0, 7, .. scene[frame..]]));
        // Behind the last pixel.
        Assert.Equal(expected, Decode([.. scene[..^2], 0, 0, 0, .. scene[^2..]]));
        Assert.Equal(expected, Decode([.. scene, 1, 2, 3]));
    }

    [Fact]
    public void What_a_decoder_remarks_on_first_does_not_hide_damage_behind_it()
    {
        var table = scene.AsSpan().IndexOf([(byte)0xFF, (byte)0xDB]);
        var damaged = WithBadCodes();
        RefusedForItsCodes([.. damaged[..table], 1, 2, 3, .. damaged[table..]]);
        // A version of JFIF that is not known.
        var version = scene.AsSpan().IndexOf("JFIF\0"u8) + 5;
        Assert.True(version > 5);
        Assert.Equal(Decode(scene), Decode(Filled(scene, version, 1, 3)));
        RefusedForItsCodes(Filled(damaged, version, 1, 3));
    }

    [Fact]
    public void Damage_is_found_however_much_of_a_jpeg_is_wanted()
    {
        byte[] closed = [.. scene[..(scene.Length / 2)], 0xFF, 0xD9];
        foreach (var shrink in new[] { false, true })
        {
            using var file = ImageFile.Open("closed.jpg", closed);
            var part = new Part(0, 0, file.Height, file.Width);
            var error = Assert.Throws<UnreadableImageException>(() =>
                file.Resize(new Canvas(), part, file.Height / 4, file.Width / 4, Interpolation.Bicubic, shrink)
            );
            Assert.Contains("premature end", error.Problem, StringComparison.Ordinal);
        }
        // Without its end, and whatever a smaller image needs.
        for (var missing = 3; missing < 200; missing += 7)
            foreach (var size in new[] { 2, 4, 8 })
            {
                using var file = ImageFile.Open("cut.jpg", scene[..^missing]);
                var part = new Part(0, 0, file.Height, file.Width);
                Assert.Throws<UnreadableImageException>(() =>
                    file.Resize(new Canvas(), part, file.Height / size, file.Width / size, Interpolation.Bicubic, shrink: true)
                );
            }
    }

    [Fact]
    public void A_gif_whose_data_are_damaged_short_or_too_long_is_refused()
    {
        int[] pixels = [.. Enumerable.Range(0, 40).Select(i => i % 4)];
        Assert.Equal(120, Decode(ImageBytes.Gif(8, 5, pixels)).Length);
        Refused(ImageBytes.Gif(8, 5, pixels[..20]), "damaged GIF: its data give 20 of the 40 pixels of the frame");
        Refused(ImageBytes.Gif(8, 5, [.. pixels, 1, 2]), "damaged GIF: its data give more than the 40 pixels");
        Refused(ImageBytes.Gif(8, 5, [.. pixels[..20], 7, .. pixels[20..]]), "damaged GIF: code 7 has no meaning after 20 pixels");
        Refused(ImageBytes.Gif(8, 5, pixels)[..^6], "cut off: the GIF ends after");

        var file = Sample("palette.gif");
        Refused(Filled(file, file.Length / 2, file.Length / 2 - 2, 0), "damaged GIF");
        Refused(file[..^2], "cut off");
        // The mark of the end alone is not missed.
        Assert.Equal(Decode(file), Decode(file[..^1]));
    }

    [Fact]
    public void Every_flipped_bit_of_a_gif_gives_an_error_or_as_many_pixels_as_before()
    {
        var file = Sample("palette.gif");
        var expected = Decode(file);
        var refused = 0;
        var random = new Random(1);
        // Behind the palette, the frame's header and the size of its codes.
        var colors = 13 + 3 * (2 << (file[10] & 7));
        var start = colors + file.AsSpan(colors).IndexOf((byte)0x2C) + 12;
        for (var i = 0; i < 200; i++)
        {
            byte[] damaged = [.. file];
            damaged[random.Next(start, file.Length - 2)] ^= (byte)(1 << random.Next(8));
            try
            {
                Assert.Equal(expected.Length, Decode(damaged).Length);
            }
            catch (UnreadableImageException)
            {
                refused++;
            }
        }
        Assert.InRange(refused, 10, 200);
    }

    [Fact]
    public void Pixels_written_as_text_must_be_numbers_in_range_and_all_there()
    {
        Assert.Equal([1, 1, 1, 2, 2, 2, 3, 3, 3], Interleaved("P2 3 1 255\n1 2 # two\n 3"u8));
        Refused([.. "P2 3 1 255\n1 2"u8], "cut off: the PNM ends after 2 values");
        Refused([.. "P2 3 1 255\n1 x 3"u8], "damaged PNM: byte 13 is no part of a number");
        Refused([.. "P2 3 1 255\n1 2\0 3"u8], "damaged PNM");
        Refused([.. "P2 3 1 255\n1 -2 3"u8], "damaged PNM");
        Refused([.. "P2 3 1 255\n1 256 3"u8], "damaged PNM: value 1 is 256, more than the largest of 255");
        Refused([.. "P1 3 1\n1 2 0"u8], "damaged PNM: byte 9 is no bit");
        Refused([.. "P3 1 1 255\n1 2"u8], "cut off");
        Refused([.. "P6 1 1 255\n"u8, 1, 2], "cut off: 2 bytes cannot hold the 3 values of the PNM");
        Refused([.. "P5 x 1 255\n"u8, 1, 2], "damaged PNM: the width in its header is no number");
    }

    private byte[] Interleaved(ReadOnlySpan<byte> file)
    {
        var image = new Raster();
        ImageDecoder.Decode(folder.Write("image", file.ToArray()), image);
        return image.ToInterleaved();
    }

    [Theory]
    [InlineData("colour.webp")]
    [InlineData("lossless.webp")]
    [InlineData("colour.png")]
    [InlineData("packed.tif")]
    [InlineData("plain.tif")]
    [InlineData("plain.bmp")]
    [InlineData("plain.ppm")]
    [InlineData("progressive.jpg")]
    public void Files_that_were_cut_off_are_refused_in_one_short_line(string name)
    {
        var file = Sample(name);
        foreach (var share in new[] { 0.3, 0.6, 0.9 })
        {
            var error = Refused(file[..(int)(share * file.Length)], "");
            Assert.InRange(error.Problem.Length, 10, 200);
            Assert.DoesNotContain('\n', error.Message);
        }
    }

    [Fact]
    public void A_checksum_of_a_png_that_does_not_fit_is_damage()
    {
        var file = Sample("colour.png");
        var data = file.AsSpan().IndexOf("IDAT"u8);
        var end = data + 4 + (file[data - 2] << 8 | file[data - 1]);
        Refused(Filled(file, end, 1, (byte)(file[end] ^ 1)), "cannot be decoded as PNG: ");
    }

    [Fact]
    public void An_error_without_words_gets_some()
    {
        var error = Refused(
            [0x89, .. "PNG"u8, 1, 2, 3, 4, 5, 6, 7, 8, 9],
            "cannot be decoded as PNG: damaged, or of a kind that is not read"
        );
        Assert.EndsWith("read", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Rows_of_a_fax_that_cannot_be_read_are_damage()
    {
        // White rows in the code of group 4 (a bit each), with the mark of the end.
        var rows = new byte[9];
        Array.Fill(rows, (byte)0xFF, 0, 6);
        (int, int[])[] tags = [(258, [1]), (259, [4]), (262, [0]), (277, [1])];
        (rows[6], rows[7], rows[8]) = (0, 0x10, 0x01);
        Assert.All(Decode(ImageBytes.Tiff(64, 48, rows, tags)), value => Assert.Equal(255, value));
        (rows[2], rows[3]) = (0, 0);
        Refused(ImageBytes.Tiff(64, 48, rows, tags), "damaged TIFF: ");
    }
}
