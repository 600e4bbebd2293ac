using System.Diagnostics;
using FsCheck;
using FsCheck.Fluent;
using Tessera.Data.Formats;
using Tessera.Testing;

namespace Tessera.Data.Tests;

/// <summary>Files of label maps give the numbers that are stored, whatever a decoder of pictures makes of them.</summary>
public sealed class LabelFileTests : IDisposable
{
    private static readonly (byte, byte, byte)[] traffic = [(0, 0, 0), (128, 64, 128), (0, 0, 142)];

    private readonly TempFolder folder = new(inMemory: true);

    public void Dispose() => folder.Dispose();

    private static byte[] PaletteOf(int count, int seed = 1)
    {
        var palette = new byte[3 * count];
        new Random(seed).NextBytes(palette);
        return palette;
    }

    private static ushort[] Noise(int count, int depth, int seed)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, count).Select(_ => (ushort)random.Next(1 << depth))];
    }

    private string Write(byte[] file) => folder.Write($"{Guid.NewGuid():N}.png", file);

    private static string Error(string path, LabelRule rule)
    {
        var error = Assert.ThrowsAny<DataException>(() => LabelFile.Read(path, rule));
        Assert.StartsWith(path + ": ", error.Message, StringComparison.Ordinal);
        return error.Message[(path.Length + 2)..];
    }

    public static TheoryData<int, int> Kinds
    {
        get
        {
            var kinds = new TheoryData<int, int>();
            foreach (var kind in (int[])[0, 2, 3, 4, 6])
            foreach (var depth in (int[])[1, 2, 4, 8, 16])
                if (kind == 0 || (kind == 3 ? depth < 16 : depth >= 8))
                    kinds.Add(kind, depth);
            return kinds;
        }
    }

    /// <summary>All kinds of PNG, of any size, with any filters, interlaced or not.</summary>
    [Theory]
    [MemberData(nameof(Kinds))]
    public void Every_kind_of_png_gives_the_values_that_were_stored(int kind, int depth) =>
        Prop.ForAll(Gen.Choose(1, 19).Two().Zip(Gen.Choose(0, 9_999)).Zip(Gen.Elements(false, true)).ToArbitrary(), draw =>
            {
                var (((height, width), seed), interlaced) = draw;
                var channels = ImageBytes.ChannelsOf(kind);
                var values = Noise(height * width * channels, depth, seed);
                var palette = kind == 3 ? PaletteOf(1 << depth) : null;
                var png = PngValues.Read("file", ImageBytes.Png(height, width, kind, depth, values, palette, interlaced, new(seed)));
                Assert.Equal((height, width, channels), (png.Height, png.Width, png.Channels));
                Assert.Equal(values, png.Values);
                Assert.Equal(palette ?? [], png.Palette);
            })
            .QuickCheckThrowOnFailure();

    /// <summary>The files that are written here are read by libvips too: writer and reader do not share a mistake.</summary>
    [Theory]
    [InlineData(0, false)]
    [InlineData(0, true)]
    [InlineData(2, true)]
    [InlineData(4, true)]
    [InlineData(6, true)]
    public void Another_decoder_reads_the_same(int kind, bool interlaced)
    {
        foreach (var (height, width) in ((int, int)[])[(1, 1), (3, 2), (5, 9), (16, 17)])
        {
            var values = Noise(height * width * ImageBytes.ChannelsOf(kind), 8, height);
            var path = Write(ImageBytes.Png(height, width, kind, 8, values, interlaced: interlaced, filters: new(width)));
            Assert.Equal(values, Imaging.ImageDecoder.DecodeBytes(path).Pixels.Select(value => (ushort)value));
            Assert.Equal(values, PngValues.Read(path).Values);
        }
    }

    [Theory]
    [InlineData(0)]
    [InlineData(3)]
    public void Maps_of_few_bits_are_indices_and_not_what_is_shown(int kind)
    {
        foreach (var depth in (int[])[1, 2, 4, 8])
        {
            var count = Math.Min(1 << depth, 250);
            ushort[] values = [.. Enumerable.Range(0, 15).Select(i => (ushort)(i % count))];
            var path = Write(ImageBytes.Png(3, 5, kind, depth, values, kind == 3 ? PaletteOf(count) : null));
            var map = LabelFile.Read(path, LabelRule.Plain(count));
            Assert.Equal(new(3, 5), map.Size);
            Assert.Equal(values, map.Ids.Select(id => (ushort)id));
            var raw = LabelFile.Raw(path);
            Assert.Equal(
                values.CountBy(value => (int)value).OrderBy(entry => entry.Key).Select(e => (e.Key, (long)e.Value)),
                raw.Counts.Select(entry => (entry.Key, entry.Value))
            );
            Assert.Equal(
                (kind == 3 ? LabelFileKind.Palette : LabelFileKind.Gray, depth, new(3, 5)),
                (raw.Head.Kind, raw.Head.Bits, raw.Head.Size)
            );
            Assert.Equal(raw.Head.Palette, LabelFile.PaletteOf(path));
            Assert.Equal(kind == 3 ? count : null, raw.Head.Palette?.Count);
        }
    }

    [Fact]
    public void Values_of_16_bits_have_classes_too()
    {
        var table = new int[1001];
        table.AsSpan().Fill(LabelRule.Unknown);
        (table[0], table[300], table[1000]) = (LabelMap.Ignored, 0, 1);
        var rule = LabelRule.OfTable(table);
        Assert.Equal([255, 0, 1], LabelFile.Read(Write(ImageBytes.Png(1, 3, 0, 16, [0, 300, 1000])), rule).Ids);
        Assert.Equal(
            "values 1001 (2 pixels), 44 (1 pixel) are no class: values must be 0, 300 and 1000",
            Error(Write(ImageBytes.Png(1, 4, 0, 16, [44, 300, 1001, 1001])), rule)
        );
    }

    [Fact]
    public void Colours_of_a_table_are_classes()
    {
        var rule = LabelRule.Plain(0).WithColors(traffic.Index().Select(entry => (entry.Item, entry.Index)), byColor: false);
        foreach (var (kind, depth) in ((int, int)[])[(2, 8), (6, 8), (2, 16), (6, 16)])
        {
            var channels = ImageBytes.ChannelsOf(kind);
            ushort[] Pixel((byte R, byte G, byte B) color) =>
                [.. ((ushort[])[color.R, color.G, color.B, 7])[..channels].Select(v => (ushort)(depth == 16 ? v * 257 : v))];
            ushort[] values = [.. Pixel(traffic[2]), .. Pixel(traffic[0]), .. Pixel(traffic[1]), .. Pixel(traffic[1])];
            Assert.Equal([2, 0, 1, 1], LabelFile.Read(Write(ImageBytes.Png(2, 2, kind, depth, values)), rule).Ids);
            Assert.Equal(
                "colour #804081 (1 pixel) is no class: the nearest colour of the table is #804080",
                Error(Write(ImageBytes.Png(2, 1, kind, depth, [.. Pixel(traffic[0]), .. Pixel((128, 64, 129))])), rule)
            );
        }
        var smooth = Write(ImageBytes.Png(1, 5, 2, 8, [.. Enumerable.Range(1, 15).Select(i => (ushort)i)]));
        Assert.Equal(
            "colours #010203 (1 pixel), #040506 (1 pixel), #070809 (1 pixel) and 2 more are no class: the nearest colour of the table is "
                + "#000000; maps that were resized smoothly or stored as JPEG hold such colours",
            Error(smooth, rule)
        );
        Assert.Contains("of 16 bits is none of 8", Error(Write(ImageBytes.Png(1, 1, 2, 16, [1, 2, 3])), rule), StringComparison.Ordinal);
    }

    [Fact]
    public void Colours_of_palettes_and_levels_of_grey_decide_where_the_rule_says_so()
    {
        (byte, byte, byte)[] colors = [.. traffic, (255, 255, 255), (85, 85, 85)];
        var rule = LabelRule.Plain(0).WithColors(colors.Index().Select(entry => (entry.Item, entry.Index)), byColor: true);
        // As a program that makes files small orders them.
        byte[] palette = [0, 0, 142, 128, 64, 128];
        Assert.Equal([1, 2, 1], LabelFile.Read(Write(ImageBytes.Png(1, 3, 3, 1, [1, 0, 1], palette)), rule).Ids);
        Assert.Equal([0, 3], LabelFile.Read(Write(ImageBytes.Png(1, 2, 0, 1, [0, 1])), rule).Ids);
        Assert.Equal([0, 4, 3], LabelFile.Read(Write(ImageBytes.Png(1, 3, 0, 2, [0, 1, 3])), rule).Ids);
        Assert.Equal([0, 4, 3], LabelFile.Read(Write(ImageBytes.Png(1, 3, 0, 8, [0, 85, 255])), rule).Ids);
        Assert.Equal(
            "value 3 without a colour (1 pixel) is no class: the table has 5 colours, and none is this one",
            Error(Write(ImageBytes.Png(1, 2, 3, 2, [1, 3], palette)), rule)
        );
        Assert.Equal(
            "value 1 of the colour #111111 (1 pixel) is no class: the nearest colour of the table is #000000",
            Error(Write(ImageBytes.Png(1, 1, 0, 4, [1])), rule)
        );
    }

    [Fact]
    public void Files_of_grey_in_three_channels_hold_numbers_where_there_is_no_table()
    {
        var rule = LabelRule.Plain(3);
        Assert.Equal([2, 1, 255], LabelFile.Read(Write(ImageBytes.Png(1, 3, 2, 8, [2, 2, 2, 1, 1, 1, 255, 255, 255])), rule).Ids);
        Assert.Equal(
            "an image of colours (#010203, ...), and there is no table that says which class each colour is",
            Error(Write(ImageBytes.Png(1, 2, 2, 8, [1, 1, 1, 1, 2, 3])), rule)
        );
        Assert.Equal(
            "value 9 (1 pixel) is no class: values must be 0 to 2 and 255",
            Error(Write(ImageBytes.Png(1, 1, 2, 8, [9, 9, 9])), rule)
        );
    }

    [Fact]
    public void An_index_behind_the_palette_is_a_number_like_others()
    {
        var path = Write(ImageBytes.Png(1, 3, 3, 8, [0, 1, 255], PaletteOf(2)));
        Assert.Equal([0, 1, 255], LabelFile.Read(path, LabelRule.Plain(2)).Ids);
        Assert.Equal("value 1 (1 pixel) is no class: values must be 0 and 255", Error(path, LabelRule.Plain(1)));
    }

    [Fact]
    public void Rules_say_what_values_mean()
    {
        var ade = LabelRule.FromOne(150);
        Assert.Equal([255, 0, 149, -1, 255, -1], ((int[])[0, 1, 150, 151, 255, 256]).Select(ade.ClassOf));
        Assert.Equal("0 to 150 and 255", $"{ade}");
        Assert.Equal("0, 1 and 255", $"{LabelRule.Plain(2)}");
        var mapping = new ClassMapping(["a", "b"], ["b", "c"]);
        Assert.Equal([-1, 0, 255], ((int[])[0, 1, 255]).Select(LabelRule.Plain(2).Renumbered(mapping).ClassOf));
        Assert.Throws<ArgumentException>(() => LabelRule.Of(_ => 300));
    }

    [Theory]
    [InlineData(new byte[] { 0xFF, 0xD8, 0xFF, 0xE0 }, "a label map in a JPEG file: values change at the borders of classes")]
    [InlineData(new byte[] { (byte)'P', (byte)'5', (byte)' ', (byte)'1' }, "a label map in a PNM file, which is not read: store it as PNG")]
    [InlineData(new byte[] { 1, 2, 3 }, "not a PNG file: label maps must be PNG files, or TIFF, BMP, GIF or MATLAB files")]
    [InlineData(new byte[0], "an empty file")]
    public void Formats_that_do_not_keep_labels_are_refused(byte[] start, string expected)
    {
        var path = Write(start);
        Assert.StartsWith(expected, Error(path, LabelRule.Plain(2)), StringComparison.Ordinal);
        Assert.Throws<DataFormatException>(() => LabelFile.Head(path));
    }

    [Fact]
    public void Tiff_maps_give_their_numbers_and_are_refused_where_a_decoder_would_change_them()
    {
        string Tiff(byte[] pixels, params (int, int[])[] tags) => Write(ImageBytes.Tiff(2, 2, pixels, tags));
        Assert.Equal([0, 1, 2, 255], LabelFile.Read(Tiff([0, 1, 2, 255], (258, [8]), (262, [1])), LabelRule.Plain(3)).Ids);
        var wide = Tiff([0, 0, 44, 1, 2, 0, 0, 0], (258, [16]), (262, [1]));
        Assert.Equal([0, 2, 300], LabelFile.Raw(wide).Counts.Keys);
        var palette = new int[768];
        Assert.Contains(
            "a TIFF with a palette",
            Error(Tiff([0, 1, 2, 3], (258, [8]), (262, [3]), (320, palette)), LabelRule.Plain(3)),
            StringComparison.Ordinal
        );
        Assert.Contains(
            "values decoders convert",
            Error(Tiff([0, 1, 2, 3], (258, [8]), (262, [0])), LabelRule.Plain(3)),
            StringComparison.Ordinal
        );
        Assert.Contains("1 bits per value", Error(Tiff([0, 1], (258, [1]), (262, [1])), LabelRule.Plain(3)), StringComparison.Ordinal);
    }

    [Fact]
    public void Bmp_and_gif_maps_give_their_indices()
    {
        byte[] palette = [9, 9, 9, 0, 1, 2, 3, 0, 7, 7, 7, 0];
        byte[] between = [.. palette, .. new byte[4 * 252]];
        var eight = Write(ImageBytes.Bmp(3, 2, 8, [2, 1, 0, 0, 0, 1, 2, 0], between: between));
        Assert.Equal([0, 1, 2, 2, 1, 0], LabelFile.Read(eight, LabelRule.Plain(3)).Ids);
        Assert.Equal([(9, 9, 9), (3, 2, 1), (7, 7, 7)], LabelFile.PaletteOf(eight)!.Take(3));
        var one = Write(ImageBytes.Bmp(3, -1, 1, [0b1010_0000, 0, 0, 0], between: [0, 0, 0, 0, 255, 255, 255, 0]));
        Assert.Equal([1, 0, 1], LabelFile.Read(one, LabelRule.Plain(2)).Ids);
        var runs = Write(ImageBytes.Bmp(4, 1, 8, [3, 2, 1, 0, 0, 1], compression: 1, between: between));
        Assert.Equal([2, 2, 2, 0], LabelFile.Read(runs, LabelRule.Plain(3)).Ids);
        var colors = Write(ImageBytes.Bmp(1, 1, 24, [3, 2, 1, 0]));
        Assert.Equal([0x010203], LabelFile.Raw(colors).Counts.Keys);
        var gif = Write(ImageBytes.Gif(2, 2, [0, 3, 2, 1], transparent: 3));
        Assert.Equal([0, 3, 2, 1], LabelFile.Read(gif, LabelRule.Plain(4)).Ids);
        Assert.Equal([(10, 20, 30), (40, 50, 60)], LabelFile.PaletteOf(gif)!.Take(2));
    }

    [Fact]
    public void Matrices_are_maps_column_by_column()
    {
        var path = folder.Write("a.mat", MatWriter.Matrix("S", 2, 3, [0, 1, 2, 3, 4, 182]));
        var map = LabelFile.Read(path, LabelRule.FromOne(182));
        Assert.Equal(new(2, 3), map.Size);
        Assert.Equal([255, 1, 3, 0, 2, 181], map.Ids);
        Assert.Contains(
            "no matrix S or LabelMap",
            Error(folder.Write("b.mat", MatWriter.Matrix("T", 1, 1, [0])), LabelRule.Plain(1)),
            StringComparison.Ordinal
        );
        Assert.Contains(
            "'S' holds 0.5: it must hold integers from 0 to 65535",
            Error(folder.Write("c.mat", MatWriter.Matrix("S", 1, 1, [0.5])), LabelRule.Plain(1)),
            StringComparison.Ordinal
        );
        Assert.Contains(
            "version 7.3 (HDF5) is not read",
            Error(folder.Write("d.mat", "MATLAB 7.3 MAT-file"), LabelRule.Plain(1)),
            StringComparison.Ordinal
        );
    }

    [Fact]
    public void Pipes_are_refused_without_waiting_for_their_other_end()
    {
        var pipe = folder["pipe.png"];
        using (var made = Process.Start("mkfifo", [pipe]))
            made.WaitForExit();
        Assert.Equal("an empty file", Error(pipe, LabelRule.Plain(2)));
        Assert.Throws<DataFormatException>(() => LabelFile.Head(pipe));
        Assert.Throws<DataFormatException>(() => LabelFile.Raw(pipe));
    }

    [Fact]
    public void Damaged_files_are_errors()
    {
        var good = ImageBytes.Png(4, 4, 3, 8, Noise(16, 2, 1), PaletteOf(4));
        string Message(byte[] file)
        {
            var path = Write(file);
            // The head of most of them can be read: a look at the pixels finds the rest.
            return Error(path, LabelRule.Plain(4));
        }

        for (var length = 1; length < good.Length; length += 7)
            Message(good[..length]);
        // A comment matters to nobody.
        var comment = good.AsSpan().IndexOf("tEXt"u8);
        for (var place = 8; place < good.Length - 12; place += 5)
        {
            if (place >= comment && place < comment + 20)
                continue;
            var bad = good.ToArray();
            bad[place] ^= 4;
            Message(bad);
        }
        Assert.Contains("an image of 0x4 pixels", Message(ImageBytes.Png(4, 0, 0, 8, [])), StringComparison.Ordinal);
        Assert.Contains(
            "an image of 100000x100000 pixels",
            Message(ImageBytes.PngOf(100_000, 100_000, 0, 8, null, false, [])),
            StringComparison.Ordinal
        );
        Assert.Contains(
            "cannot hold 9999x9999 pixels",
            Message(ImageBytes.PngOf(9_999, 9_999, 0, 8, null, true, [])),
            StringComparison.Ordinal
        );
        Assert.Contains("a palette is announced", Message(ImageBytes.PngOf(1, 1, 3, 8, null, false, [0, 0])), StringComparison.Ordinal);
        Assert.Contains(
            "a palette of 4 bytes",
            Message(ImageBytes.PngOf(1, 1, 3, 8, [1, 2, 3, 4], false, [0, 0])),
            StringComparison.Ordinal
        );
        Assert.Contains(
            "a palette of 771 bytes",
            Message(ImageBytes.PngOf(1, 1, 3, 8, new byte[771], false, [0, 0])),
            StringComparison.Ordinal
        );
        Assert.Contains(
            "4 bits per value with colour type 2",
            Message(ImageBytes.PngOf(1, 1, 2, 4, null, false, [0, 0])),
            StringComparison.Ordinal
        );
        Assert.Contains("row filter 5", Message(ImageBytes.PngOf(1, 1, 0, 8, null, false, [5, 0])), StringComparison.Ordinal);
        Assert.Contains("cut off in row 1 of 2", Message(ImageBytes.PngOf(2, 1, 0, 8, null, false, [0, 0])), StringComparison.Ordinal);
    }

    [Fact]
    public void The_head_of_a_file_needs_no_pixels()
    {
        var good = ImageBytes.Png(40, 30, 3, 4, Noise(1200, 2, 1), PaletteOf(4));
        var path = Write(good[..^200]);
        Assert.Equal(
            (LabelFileKind.Palette, 4, new(40, 30)),
            LabelFile.Head(path) is var head ? (head.Kind, head.Bits, head.Size) : default
        );
        Assert.Equal(PaletteOf(4).Chunk(3).Select(color => (color[0], color[1], color[2])), LabelFile.PaletteOf(path));
        Assert.Null(LabelFile.PaletteOf(Write(ImageBytes.Png(2, 2, 0, 8, [0, 0, 0, 0]))));
    }
}
