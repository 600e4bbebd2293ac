using System.Buffers.Binary;
using System.Numerics;

namespace Tessera.Data.Imaging.Codecs;

/// <summary>Bitmaps of Windows and OS/2: 1 to 32 bits per pixel, with run lengths, masks or nothing of both.</summary>
/// <remarks>
/// Sizes that the header repeats (of the file, of the pixels) are often wrong and not needed; that there are enough pixels is checked.
/// </remarks>
internal static class Bmp
{
    private const int Plain = 0,
        RunLength8 = 1,
        RunLength4 = 2,
        Masks = 3,
        MasksWithAlpha = 6;

    private readonly record struct Header(int Size, int Width, int Height, bool TopDown, int Bits, int Compression, uint Colors);

    /// <summary>Decodes a file.</summary>
    /// <param name="path">Names the image in errors.</param>
    /// <param name="file">All of it.</param>
    /// <param name="most">Most pixels that it may have.</param>
    /// <param name="palette">
    /// Takes red, green and blue of each of 256 indices: the pixels of a file of at most 8 bits are its indices then, in one band.
    /// </param>
    /// <exception cref="UnreadableImageException">A damaged file, one that was cut off, or one of a kind that is not read.</exception>
    internal static PixelBlock Read(string path, ReadOnlySpan<byte> file, long most, Span<byte> palette = default)
    {
        var reader = new ByteReader(path, "BMP", file);
        reader.Skip(10);
        var start = reader.UInt32();
        var header = ReadHeader(ref reader);
        PixelBlock.CheckSize(path, header.Height, header.Width, most);
        Span<uint> masks = stackalloc uint[3];
        var isMasked = header.Compression is Masks or MasksWithAlpha;
        if (isMasked)
            // Behind a header of 40 bytes, inside of a longer one.
            for (var i = 0; i < 3; i++)
                masks[i] = BinaryPrimitives.ReadUInt32LittleEndian(reader.Bytes(4));
        else if (header.Bits == 16)
            (masks[0], masks[1], masks[2]) = (0x7C00, 0x3E0, 0x1F);
        else
            (masks[0], masks[1], masks[2]) = (0xFF0000, 0xFF00, 0xFF);
        Span<byte> colors = stackalloc byte[3 * 256];
        if (header.Bits <= 8)
            ReadPalette(file, 14 + header.Size + (isMasked && header.Size == 40 ? 12 : 0), start, header, colors);
        if (start > file.Length)
            throw new UnreadableImageException(path, $"cut off: the pixels of the BMP begin at byte {start} of {file.Length}");
        var data = file[(int)start..];
        if (!palette.IsEmpty)
            colors.CopyTo(palette);
        var block = PixelBlock.Of(header.Height, header.Width, palette.IsEmpty || header.Bits > 8 ? 3 : 1);
        try
        {
            if (header.Compression is RunLength8 or RunLength4)
                Draw(block, header, RunLengths.Unpack(path, data, header.Height, header.Width, header.Compression == RunLength4), colors);
            else
                Draw(path, block, header, data, colors, masks);
            return block;
        }
        catch
        {
            block.Dispose();
            throw;
        }
    }

    private static Header ReadHeader(ref ByteReader reader)
    {
        var size = reader.UInt32();
        if (size == 12)
        {
            var (width, height, _, bits) = (reader.UInt16(), reader.UInt16(), reader.UInt16(), reader.UInt16());
            return Checked(ref reader, new((int)size, width, height, false, bits, Plain, 0));
        }
        if (size is not (16 or 40 or 52 or 56 or 64 or 108 or 124))
            throw reader.Damaged($"a header of {size} bytes");
        var (columns, rows) = ((int)reader.UInt32(), (int)reader.UInt32());
        reader.Skip(2);
        var depth = reader.UInt16();
        var (compression, colors) = (Plain, 0u);
        if (size > 16)
        {
            compression = (int)reader.UInt32();
            reader.Skip(12);
            colors = reader.UInt32();
            reader.Skip(4);
        }
        if (columns < 0 || rows == int.MinValue)
            throw reader.Damaged($"{columns}x{rows} pixels");
        return Checked(ref reader, new((int)size, columns, Math.Abs(rows), rows < 0, depth, compression, colors), size == 64);
    }

    private static Header Checked(ref ByteReader reader, Header header, bool isOs2 = false)
    {
        var known = header.Compression switch
        {
            Plain => header.Bits is 1 or 2 or 4 or 8 or 16 or 24 or 32,
            RunLength8 => header.Bits == 8,
            RunLength4 => header.Bits == 4,
            Masks => !isOs2 && header.Bits is 16 or 32,
            MasksWithAlpha => header.Bits is 16 or 32,
            _ => false,
        };
        if (!known)
            throw reader.Damaged($"compression {header.Compression} with {header.Bits} bits per pixel is not read");
        if (header.TopDown && header.Compression is RunLength8 or RunLength4)
            throw reader.Damaged("run lengths from top to bottom");
        return header;
    }

    private static void ReadPalette(ReadOnlySpan<byte> file, int place, uint start, Header header, Span<byte> colors)
    {
        // Colours that the palette does not have are grey, as in Pillow.
        for (var i = 0; i < 256; i++)
            colors.Slice(3 * i, 3).Fill((byte)i);
        var entry = header.Size == 12 ? 3 : 4;
        var count = header.Colors is 0 or > 256 ? 1 << header.Bits : (int)header.Colors;
        // A header of OS/2 may be followed by colours of 3 bytes too: they end where the pixels begin.
        if (header.Size is 16 or 64 && start - (long)place == 3L * count)
            entry = 3;
        for (var i = 0; i < count && place + 3 <= Math.Min(start, file.Length); i++, place += entry)
            (colors[3 * i], colors[3 * i + 1], colors[3 * i + 2]) = (file[place + 2], file[place + 1], file[place]);
    }

    private static void Draw(PixelBlock block, Header header, ReadOnlySpan<byte> indices, ReadOnlySpan<byte> colors)
    {
        var values = block.Values;
        var rowLength = block.Bands * header.Width;
        for (var row = 0; row < header.Height; row++)
        {
            var to = values.Slice((header.Height - 1 - row) * rowLength, rowLength);
            var from = indices.Slice(row * header.Width, header.Width);
            if (block.Bands == 1)
                from.CopyTo(to);
            else
                for (var x = 0; x < header.Width; x++)
                    colors.Slice(3 * from[x], 3).CopyTo(to[(3 * x)..]);
        }
    }

    private static void Draw(
        string path,
        PixelBlock block,
        Header header,
        ReadOnlySpan<byte> data,
        ReadOnlySpan<byte> colors,
        ReadOnlySpan<uint> masks
    )
    {
        var rowBits = (long)header.Width * header.Bits;
        var values = block.Values;
        var stride = (rowBits + 31) / 32 * 4;
        // The last row need not be filled up.
        if (stride * (header.Height - 1) + (rowBits + 7) / 8 > data.Length)
            throw new UnreadableImageException(
                path,
                $"cut off: {data.Length} bytes cannot hold {header.Width}x{header.Height} pixels of {header.Bits} bits"
            );
        for (var row = 0; row < header.Height; row++)
        {
            var from = data[(int)(row * stride)..];
            var rowLength = block.Bands * header.Width;
            var to = values.Slice((header.TopDown ? row : header.Height - 1 - row) * rowLength, rowLength);
            switch (header.Bits)
            {
                case 24:
                    for (var i = 0; i < to.Length; i += 3)
                        (to[i], to[i + 1], to[i + 2]) = (from[i + 2], from[i + 1], from[i]);
                    break;
                case 16:
                    for (var x = 0; x < header.Width; x++)
                        Mask(BinaryPrimitives.ReadUInt16LittleEndian(from[(2 * x)..]), masks, to.Slice(3 * x, 3));
                    break;
                case 32:
                    for (var x = 0; x < header.Width; x++)
                        Mask(BinaryPrimitives.ReadUInt32LittleEndian(from[(4 * x)..]), masks, to.Slice(3 * x, 3));
                    break;
                default:
                    for (var x = 0; x < header.Width; x++)
                    {
                        var bit = x * header.Bits;
                        var index = (from[bit / 8] >> (8 - header.Bits - bit % 8)) & ((1 << header.Bits) - 1);
                        if (block.Bands == 1)
                            to[x] = (byte)index;
                        else
                            colors.Slice(3 * index, 3).CopyTo(to[(3 * x)..]);
                    }
                    break;
            }
        }
    }

    private static void Mask(uint pixel, ReadOnlySpan<uint> masks, Span<byte> to)
    {
        for (var i = 0; i < 3; i++)
        {
            var largest = masks[i] >> BitOperations.TrailingZeroCount(masks[i]);
            to[i] =
                masks[i] == 0 ? (byte)0 : (byte)((ulong)((pixel & masks[i]) >> BitOperations.TrailingZeroCount(masks[i])) * 255 / largest);
        }
    }

    /// <summary>Runs of equal pixels, and pixels one by one.</summary>
    private static class RunLengths
    {
        /// <summary>Indices from the lowest row to the highest.</summary>
        internal static byte[] Unpack(string path, ReadOnlySpan<byte> data, int height, int width, bool nibbles)
        {
            var indices = new byte[height * width];
            var (row, x, position) = (0, 0, 0);
            while (row < height)
            {
                if (position + 2 > data.Length)
                    throw new UnreadableImageException(path, $"cut off: the BMP ends in row {row} of {height}");
                var (count, value) = (data[position], data[position + 1]);
                position += 2;
                if (count > 0)
                {
                    for (var i = 0; i < count && x < width; i++, x++)
                        indices[row * width + x] = Nibble(value, i);
                    // A last row needs no mark of its end.
                    if (row == height - 1 && x == width)
                        break;
                    continue;
                }
                switch (value)
                {
                    case 0:
                        (row, x) = (row + 1, 0);
                        break;
                    case 1:
                        throw new UnreadableImageException(path, $"damaged BMP: its data end in row {row} of {height}");
                    case 2:
                        if (position + 2 > data.Length)
                            throw new UnreadableImageException(path, $"cut off: the BMP ends in row {row} of {height}");
                        (row, x) = (row + data[position + 1], Math.Min(x + data[position], width));
                        position += 2;
                        break;
                    default:
                        var bytes = nibbles ? (value + 1) / 2 : value;
                        if (position + bytes > data.Length)
                            throw new UnreadableImageException(path, $"cut off: the BMP ends in row {row} of {height}");
                        for (var i = 0; i < value && x < width; i++, x++)
                            indices[row * width + x] = nibbles ? Nibble(data[position + i / 2], i) : data[position + i];
                        position += bytes + (bytes & 1);
                        if (row == height - 1 && x == width)
                            return indices;
                        break;
                }
            }
            return indices;

            byte Nibble(byte pair, int i) => !nibbles ? pair : (byte)(i % 2 == 0 ? pair >> 4 : pair & 15);
        }
    }
}
