namespace Tessera.Data.Imaging.Codecs;

/// <summary>The first frame of a GIF file.</summary>
/// <remarks>
/// libvips fills up what damaged data leave out, and its decoder forgets the colour of transparent pixels, which stays where alpha is
/// dropped.
/// </remarks>
internal static class Gif
{
    private const int Trailer = 0x3B,
        Extension = 0x21,
        Image = 0x2C,
        GraphicControl = 0xF9;

    /// <summary>Decodes the first frame onto the screen; the rest of the file is only looked through.</summary>
    /// <param name="path">Names the image in errors.</param>
    /// <param name="file">All of it.</param>
    /// <param name="most">Most pixels that it may have.</param>
    /// <param name="palette">Takes red, green and blue of each of 256 indices: the pixels are indices then, in one band.</param>
    /// <exception cref="UnreadableImageException">A damaged file, or one that was cut off.</exception>
    internal static PixelBlock Read(string path, ReadOnlySpan<byte> file, long most, Span<byte> palette = default)
    {
        var reader = new ByteReader(path, "GIF", file);
        reader.Skip(6);
        var (screenWidth, screenHeight, flags) = (reader.UInt16(), reader.UInt16(), reader.Byte());
        reader.Skip(2);
        var global = Palette(ref reader, flags);
        int? transparent = null;
        for (; ; )
        {
            switch (reader.Byte())
            {
                case Extension:
                    var control = reader.Byte() == GraphicControl;
                    var content = Blocks(ref reader);
                    if (control && content.Length >= 4)
                        transparent = (content[0] & 1) != 0 ? content[3] : null;
                    break;
                case Image:
                    var (left, top, width, height) = (reader.UInt16(), reader.UInt16(), reader.UInt16(), reader.UInt16());
                    flags = reader.Byte();
                    var local = Palette(ref reader, flags);
                    PixelBlock.CheckSize(path, height, width, most);
                    // A frame may be larger than the screen that was announced.
                    var (rows, columns) = (Math.Max(screenHeight, top + height), Math.Max(screenWidth, left + width));
                    PixelBlock.CheckSize(path, rows, columns, most);
                    var bits = reader.Byte();
                    var indices = GC.AllocateUninitializedArray<byte>(height * width);
                    Lzw.Unpack(path, Blocks(ref reader), bits, indices);
                    SkipRest(ref reader);
                    var colors = local.IsEmpty ? global : local;
                    return Draw(
                        indices,
                        new(top, left, height, width),
                        (flags & 0x40) != 0,
                        rows,
                        columns,
                        colors,
                        transparent ?? 0,
                        palette
                    );
                case Trailer:
                    throw reader.Damaged("it holds no image");
                case 0:
                    // Some programs leave an empty block behind another.
                    break;
                default:
                    throw reader.Damaged($"no block begins at byte {reader.Position - 1}");
            }
        }
    }

    private readonly record struct Frame(int Top, int Left, int Height, int Width);

    private static PixelBlock Draw(
        byte[] indices,
        Frame frame,
        bool interlaced,
        int rows,
        int columns,
        ReadOnlySpan<byte> palette,
        int background,
        Span<byte> shown
    )
    {
        Span<byte> colors = stackalloc byte[3 * 256];
        // Colours that the palette does not have are grey, as in Pillow.
        for (var i = 0; i < 256; i++)
            colors.Slice(3 * i, 3).Fill((byte)i);
        palette.CopyTo(colors);
        if (!shown.IsEmpty)
            colors.CopyTo(shown);
        var block = PixelBlock.Of(rows, columns, shown.IsEmpty ? 3 : 1);
        var values = block.Values;
        var bands = block.Bands;
        if (bands == 1)
            values.Fill((byte)background);
        else if (frame.Height != rows || frame.Width != columns)
            for (var i = 0; i < values.Length; i += 3)
                colors.Slice(3 * background, 3).CopyTo(values[i..]);
        var (row, step, pass) = (0, interlaced ? 8 : 1, 0);
        for (var number = 0; number < frame.Height; number++)
        {
            var to = values.Slice(bands * ((frame.Top + row) * columns + frame.Left), bands * frame.Width);
            var from = indices.AsSpan(number * frame.Width, frame.Width);
            if (bands == 1)
                from.CopyTo(to);
            else
                for (var x = 0; x < from.Length; x++)
                    colors.Slice(3 * from[x], 3).CopyTo(to[(3 * x)..]);
            row += step;
            // Every 8th row from 0 and from 4, every 4th from 2, every 2nd from 1.
            while (interlaced && row >= frame.Height && pass < 3)
            {
                pass++;
                (row, step) = (4 >> (pass - 1), 16 >> pass);
            }
        }
        return block;
    }

    private static ReadOnlySpan<byte> Palette(ref ByteReader reader, int flags) =>
        (flags & 0x80) == 0 ? [] : reader.Bytes(3 * (2 << (flags & 7)));

    // The contents of blocks of at most 255 bytes up to an empty one.
    private static byte[] Blocks(ref ByteReader reader)
    {
        using var joined = new MemoryStream();
        for (int length; (length = reader.Byte()) != 0; )
            joined.Write(reader.Bytes(length));
        return joined.ToArray();
    }

    // Of frames that are not shown it matters only whether the file ends inside of one.
    private static void SkipRest(ref ByteReader reader)
    {
        while (!reader.IsAtEnd)
        {
            switch (reader.Byte())
            {
                case Extension:
                    reader.Skip(1);
                    break;
                case Image:
                    reader.Skip(8);
                    Palette(ref reader, reader.Byte());
                    reader.Skip(1);
                    break;
                default:
                    return;
            }
            for (int length; (length = reader.Byte()) != 0; )
                reader.Skip(length);
        }
    }

    /// <summary>The compression of GIF (Welch, 1984): codes of 2 to 12 bits for rows of pixels that were there before.</summary>
    private static class Lzw
    {
        private const int MostBits = 12;

        internal static void Unpack(string path, ReadOnlySpan<byte> data, int literalBits, Span<byte> pixels)
        {
            if (literalBits is < 1 or > 8)
                throw new UnreadableImageException(path, $"damaged GIF: codes of {literalBits} bits, which must be 1 to 8");
            // The pixels of a code stand in the image already: those of an earlier code and the one behind them.
            Span<int> starts = stackalloc int[1 << MostBits];
            Span<int> lengths = stackalloc int[1 << MostBits];
            var clear = 1 << literalBits;
            var (bits, next, written, previous, previousLength) = (literalBits + 1, clear + 2, 0, -1, 0);
            var (held, heldBits, position) = (0u, 0, 0);
            for (; ; )
            {
                for (; heldBits < bits && position < data.Length; heldBits += 8)
                    held |= (uint)data[position++] << heldBits;
                if (heldBits < bits)
                    break;
                var code = (int)(held & ((1u << bits) - 1));
                held >>= bits;
                heldBits -= bits;
                if (code == clear)
                {
                    (bits, next, previous) = (literalBits + 1, clear + 2, -1);
                    continue;
                }
                if (code == clear + 1)
                    break;
                if (previous >= 0 && next < 1 << MostBits)
                {
                    (starts[next], lengths[next]) = (previous, previousLength + 1);
                    next++;
                    if (next == 1 << bits && bits < MostBits)
                        bits++;
                }
                if (code >= next)
                    throw new UnreadableImageException(path, $"damaged GIF: code {code} has no meaning after {written} pixels");
                var length = code < clear ? 1 : lengths[code];
                if (length > pixels.Length - written)
                    throw new UnreadableImageException(
                        path,
                        $"damaged GIF: its data give more than the {pixels.Length} pixels of the frame"
                    );
                if (code < clear)
                    pixels[written] = (byte)code;
                else
                    for (var (i, from) = (0, starts[code]); i < length; i++)
                        pixels[written + i] = pixels[from + i];
                (previous, previousLength) = (written, length);
                written += length;
            }
            if (written < pixels.Length)
                throw new UnreadableImageException(
                    path,
                    $"damaged GIF: its data give {written} of the {pixels.Length} pixels of the frame"
                );
        }
    }
}
