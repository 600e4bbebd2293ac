using System.Buffers.Binary;
using System.IO.Compression;
using System.Text;

namespace Tessera.Data.Tests;

/// <summary>Small image files, written byte by byte.</summary>
internal static class ImageBytes
{
    /// <summary>A grey PNG, whose rows are made one at a time.</summary>
    internal static byte[] Png(int height, int width, Func<int, byte[]> row, int depth = 8)
    {
        using var packed = new MemoryStream();
        using (var stream = new ZLibStream(packed, CompressionLevel.Fastest, leaveOpen: true))
            for (var y = 0; y < height; y++)
            {
                stream.WriteByte(0);
                stream.Write(row(y));
            }
        return PngFile(height, width, kind: 0, depth, palette: null, interlaced: false, packed.ToArray());
    }

    /// <summary>Channels of a kind of PNG: 0 grey, 2 colours, 3 palette, 4 grey with alpha, 6 colours with alpha.</summary>
    internal static int ChannelsOf(int kind) =>
        kind switch
        {
            2 => 3,
            4 => 2,
            6 => 4,
            _ => 1,
        };

    /// <summary>A PNG of any kind.</summary>
    /// <param name="height">Rows.</param>
    /// <param name="width">Columns.</param>
    /// <param name="kind">As in <see cref="ChannelsOf"/>.</param>
    /// <param name="depth">Bits per value.</param>
    /// <param name="values">[H, W, C].</param>
    /// <param name="palette">Red, green and blue of each index.</param>
    /// <param name="interlaced">Whether it comes in seven passes.</param>
    /// <param name="filters">Draws the filter of each row; none without.</param>
    internal static byte[] Png(
        int height,
        int width,
        int kind,
        int depth,
        ushort[] values,
        byte[]? palette = null,
        bool interlaced = false,
        Random? filters = null
    )
    {
        var channels = ChannelsOf(kind);
        (int Top, int Left, int Down, int Right)[] passes = interlaced
            ? [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]
            : [(0, 0, 1, 1)];
        var rows = new List<byte>();
        foreach (var (top, left, down, right) in passes)
        {
            byte[]? above = null;
            for (var y = top; y < height && left < width; y += down)
            {
                var own = new List<ushort>();
                for (var x = left; x < width; x += right)
                    own.AddRange(values.AsSpan((y * width + x) * channels, channels));
                var bytes = Bits(own, depth);
                var filter = filters?.Next(5) ?? 0;
                rows.Add((byte)filter);
                rows.AddRange(Filtered(bytes, above ?? new byte[bytes.Length], filter, Math.Max(1, channels * depth / 8)));
                above = bytes;
            }
        }
        return PngOf(height, width, kind, depth, palette, interlaced, [.. rows]);
    }

    /// <summary>A PNG of rows as they are before they are packed, right or wrong.</summary>
    internal static byte[] PngOf(int height, int width, int kind, int depth, byte[]? palette, bool interlaced, byte[] rows)
    {
        using var packed = new MemoryStream();
        using (var stream = new ZLibStream(packed, CompressionLevel.Fastest, leaveOpen: true))
            stream.Write(rows);
        return PngFile(height, width, kind, depth, palette, interlaced, packed.ToArray());
    }

    private static byte[] PngFile(int height, int width, int kind, int depth, byte[]? palette, bool interlaced, byte[] packed) =>
        [
            0x89,
            .. "PNG\r\n"u8,
            26,
            10,
            .. Chunk("IHDR", [.. Big((uint)width), .. Big((uint)height), (byte)depth, (byte)kind, 0, 0, interlaced ? (byte)1 : (byte)0]),
            .. Chunk("tEXt", [.. "Comment\0none"u8]),
            .. palette is null ? [] : Chunk("PLTE", palette),
            .. Chunk("IDAT", packed[..(packed.Length / 2)]),
            .. Chunk("IDAT", packed[(packed.Length / 2)..]),
            .. Chunk("IEND", []),
        ];

    private static byte[] Bits(List<ushort> values, int depth)
    {
        if (depth == 16)
            return [.. values.SelectMany(value => (byte[])[(byte)(value >> 8), (byte)value])];
        var bytes = new byte[(values.Count * depth + 7) / 8];
        foreach (var (i, value) in values.Index())
            bytes[i * depth / 8] |= (byte)(value << (8 - depth - i * depth % 8));
        return bytes;
    }

    private static byte[] Filtered(byte[] row, byte[] above, int filter, int step) =>
        [
            .. row.Select(
                (value, i) =>
                {
                    var (left, up, corner) = (i >= step ? row[i - step] : 0, (int)above[i], i >= step ? above[i - step] : 0);
                    return (byte)(
                        value
                        - filter switch
                        {
                            0 => 0,
                            1 => left,
                            2 => up,
                            3 => (left + up) / 2,
                            // The one of the three that is nearest to left + up - corner, of equals the first.
                            _ => ((int[])[left, up, corner]).MinBy(near => Math.Abs(left + up - corner - near)),
                        }
                    );
                }
            ),
        ];

    /// <summary>The same file with right checksums, as far as its chunks can be told apart.</summary>
    internal static byte[] WithChecksums(byte[] png)
    {
        var result = png.ToArray();
        for (var place = 8; place + 12 <= result.Length; )
        {
            var length = BinaryPrimitives.ReadUInt32BigEndian(result.AsSpan(place));
            if (length > result.Length - place - 12)
                break;
            var named = result.AsSpan(place + 4, (int)length + 4);
            Big(Checksum(named)).CopyTo(result, place + 8 + (int)length);
            place += 12 + (int)length;
        }
        return result;
    }

    private static byte[] Chunk(string name, byte[] content)
    {
        byte[] named = [.. Encoding.ASCII.GetBytes(name), .. content];
        return [.. Big((uint)content.Length), .. named, .. Big(Checksum(named))];
    }

    // The checksum of PNG, whose polynomial is that of ZIP.
    private static uint Checksum(ReadOnlySpan<byte> bytes)
    {
        var rest = uint.MaxValue;
        foreach (var value in bytes)
        {
            rest ^= value;
            for (var bit = 0; bit < 8; bit++)
                rest = (rest >> 1) ^ ((rest & 1) != 0 ? 0xEDB88320 : 0);
        }
        return ~rest;
    }

    private static byte[] Big(uint value)
    {
        var bytes = new byte[4];
        BinaryPrimitives.WriteUInt32BigEndian(bytes, value);
        return bytes;
    }

    /// <summary>Four colours: red, green and blue are 10, 20, 30 and so on.</summary>
    internal static readonly byte[] FourColors = [10, 20, 30, 40, 50, 60, 70, 80, 90, 100, 110, 120];

    /// <summary>A GIF of four colours.</summary>
    /// <param name="width">Of the frame, which the screen has the size of.</param>
    /// <param name="height">Of the frame.</param>
    /// <param name="indices">A colour per pixel; there may be too few or too many.</param>
    /// <param name="transparent">A colour that is marked transparent.</param>
    /// <param name="interlaced">Whether rows come in four passes.</param>
    internal static byte[] Gif(int width, int height, int[] indices, int? transparent = null, bool interlaced = false)
    {
        const int clear = 4,
            end = 5;
        // After a mark that clears the table, two codes have 3 bits.
        int[] codes = [.. indices.Chunk(2).SelectMany(pair => (int[])[clear, .. pair]), end];
        var data = new byte[(3 * codes.Length + 7) / 8];
        foreach (var (i, code) in codes.Index())
            for (var bit = 0; bit < 3; bit++)
                data[(3 * i + bit) / 8] |= (byte)((code >> bit & 1) << ((3 * i + bit) % 8));
        byte[] size = [(byte)width, 0, (byte)height, 0];
        byte[] control = transparent is { } index ? [0x21, 0xF9, 4, 1, 0, 0, (byte)index, 0] : [];
        return
        [
            .. "GIF89a"u8,
            .. size,
            0x81,
            0,
            0,
            .. FourColors,
            .. control,
            0x2C,
            0,
            0,
            0,
            0,
            .. size,
            interlaced ? (byte)0x40 : (byte)0,
            2,
            .. data.Chunk(255).SelectMany(block => (byte[])[(byte)block.Length, .. block]),
            0,
            0x3B,
        ];
    }

    /// <summary>A BMP whose header has as many bytes as wanted.</summary>
    /// <param name="width">Columns.</param>
    /// <param name="height">Rows, below 0 from top to bottom.</param>
    /// <param name="bits">Per pixel.</param>
    /// <param name="pixels">Rows as the file has them.</param>
    /// <param name="headerSize">12, or 40 and more.</param>
    /// <param name="compression">Its number.</param>
    /// <param name="between">Palette or masks.</param>
    internal static byte[] Bmp(
        int width,
        int height,
        int bits,
        byte[] pixels,
        int headerSize = 40,
        int compression = 0,
        byte[]? between = null
    )
    {
        var header = new byte[headerSize];
        BinaryPrimitives.WriteInt32LittleEndian(header, headerSize);
        if (headerSize == 12)
        {
            (header[4], header[6], header[8], header[10]) = ((byte)width, (byte)height, 1, (byte)bits);
        }
        else
        {
            BinaryPrimitives.WriteInt32LittleEndian(header.AsSpan(4), width);
            BinaryPrimitives.WriteInt32LittleEndian(header.AsSpan(8), height);
            (header[12], header[14], header[16]) = (1, (byte)bits, (byte)compression);
        }
        var start = 14 + headerSize + (between?.Length ?? 0);
        byte[] file = [.. "BM"u8, 0, 0, 0, 0, 0, 0, 0, 0, (byte)start, (byte)(start >> 8), 0, 0, .. header, .. between ?? [], .. pixels];
        BinaryPrimitives.WriteInt32LittleEndian(file.AsSpan(2), file.Length);
        return file;
    }

    /// <summary>A TIFF of one strip, without compression.</summary>
    /// <param name="width">Columns.</param>
    /// <param name="height">Rows.</param>
    /// <param name="pixels">Values of the strip.</param>
    /// <param name="tags">Tags beside those of size and place, with a value for each sample or one.</param>
    /// <param name="big">Whether it is a BigTIFF.</param>
    internal static byte[] Tiff(int width, int height, byte[] pixels, (int Tag, int[] Values)[] tags, bool big = false)
    {
        var start = big ? 16 : 8;
        (int Tag, int[] Values)[] all =
        [
            .. ((int, int[])[])[(256, [width]), (257, [height]), (273, [start]), (278, [height]), (279, [pixels.Length])],
            .. tags,
        ];
        var (entrySize, inside) = big ? (20, 8) : (12, 4);
        var directory = start + (pixels.Length + 7) / 8 * 8;
        var overflow = directory + (big ? 8 : 2) + all.Length * entrySize + inside;
        var file = new List<byte>([.. "II"u8, (byte)(big ? 43 : 42), 0]);
        if (big)
            file.AddRange([8, 0, 0, 0]);
        file.AddRange(Number(directory, inside));
        file.AddRange(pixels);
        file.AddRange(new byte[directory - file.Count]);
        file.AddRange(Number(all.Length, big ? 8 : 2));
        var behind = new List<byte>();
        foreach (var (tag, values) in all.OrderBy(entry => entry.Tag))
        {
            // Sizes and places have 4 bytes, all others 2.
            var size = tag is 256 or 257 or 273 or 278 or 279 ? 4 : 2;
            file.AddRange([.. Number(tag, 2), .. Number(size == 4 ? 4 : 3, 2), .. Number(values.Length, inside)]);
            byte[] bytes = [.. values.SelectMany(value => Number(value, size))];
            if (bytes.Length > inside)
            {
                file.AddRange(Number(overflow + behind.Count, inside));
                behind.AddRange(bytes);
            }
            else
                file.AddRange([.. bytes, .. new byte[inside - bytes.Length]]);
        }
        file.AddRange(new byte[inside]);
        return [.. file, .. behind];
    }

    private static byte[] Number(long value, int size) => BitConverter.GetBytes(value)[..size];
}
