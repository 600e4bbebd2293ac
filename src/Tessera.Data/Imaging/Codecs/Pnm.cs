using System.Buffers.Binary;

namespace Tessera.Data.Imaging.Codecs;

/// <summary>Portable bitmaps, grey maps and pixel maps: P1 to P6, as text and as bytes.</summary>
/// <remarks>libvips replaces what is no number, and pixels that are missing, by black.</remarks>
internal ref struct Pnm
{
    private readonly string path;
    private readonly ReadOnlySpan<byte> file;
    private int position;

    private Pnm(string path, ReadOnlySpan<byte> file)
    {
        this.path = path;
        this.file = file;
        position = 2;
    }

    /// <summary>Decodes a file; values are scaled by the largest that its header names.</summary>
    /// <param name="path">Names the image in errors.</param>
    /// <param name="file">All of it.</param>
    /// <param name="most">Most pixels that it may have.</param>
    /// <exception cref="UnreadableImageException">A damaged file, or one that was cut off.</exception>
    internal static PixelBlock Read(string path, ReadOnlySpan<byte> file, long most) => new Pnm(path, file).Decode(file[1] - '0', most);

    private PixelBlock Decode(int kind, long most)
    {
        var (width, height) = (Number("width"), Number("height"));
        PixelBlock.CheckSize(path, height, width, most);
        var bits = kind is 1 or 4;
        var largest = bits ? 1 : Number("largest value");
        if (largest is < 1 or > 65535)
            throw Damaged($"a largest value of {largest}, which must be 1 to 65535");
        var bands = kind is 3 or 6 ? 3 : 1;
        var count = (long)height * width * bands;
        var text = kind <= 3;
        // One white space ends the header of bytes; text has at least a letter per value.
        if (!text)
            position++;
        var bytes =
            text ? count
            : bits ? (width + 7L) / 8 * height
            : count * (largest > 255 ? 2 : 1);
        if (bytes > file.Length - position)
            throw new UnreadableImageException(
                path,
                $"cut off: {Math.Max(0, file.Length - position)} bytes cannot hold the {count} values of the PNM"
            );
        var scale = Scale(largest, bands);
        var block = PixelBlock.Of(height, width, bands);
        try
        {
            var values = block.Values;
            var data = file[Math.Min(position, file.Length)..];
            if (kind == 4)
                Unpack(data, values, width);
            else if (kind == 1)
                for (var i = 0; i < values.Length; i++)
                    values[i] = Bit(i);
            else if (text)
                for (var i = 0; i < values.Length; i++)
                    values[i] = scale[Value(i, largest)];
            else if (largest == 255)
                data[..values.Length].CopyTo(values);
            else
                for (var i = 0; i < values.Length; i++)
                {
                    var value = largest > 255 ? BinaryPrimitives.ReadUInt16BigEndian(data[(2 * i)..]) : data[i];
                    values[i] = scale[Math.Min(value, largest)];
                }
            return block;
        }
        catch
        {
            block.Dispose();
            throw;
        }
    }

    // As Pillow: rounded to 8 bits; grey of more than 8 bits is cut, as everywhere, of colours the nearest of 8 bits is taken.
    private static byte[] Scale(int largest, int bands)
    {
        var scale = new byte[largest + 1];
        for (var value = 0; value <= largest; value++)
            scale[value] =
                largest > 255 && bands == 1
                    ? (byte)((int)Math.Round(value / (double)largest * 65535, MidpointRounding.ToEven) >> 8)
                    : (byte)Math.Round(value / (double)largest * 255, MidpointRounding.ToEven);
        return scale;
    }

    private static void Unpack(ReadOnlySpan<byte> data, Span<byte> values, int width)
    {
        var stride = (width + 7) / 8;
        for (int i = 0, row = 0; i < values.Length; i += width, row++)
        for (var x = 0; x < width; x++)
            values[i + x] = (byte)((data[row * stride + x / 8] >> (7 - x % 8) & 1) != 0 ? 0 : 255);
    }

    private int Value(int index, int largest)
    {
        SkipSpace();
        if (position >= file.Length)
            throw new UnreadableImageException(path, $"cut off: the PNM ends after {index} values");
        var value = Digits() ?? throw Damaged($"byte {position} is no part of a number");
        return value <= largest ? value : throw Damaged($"value {index} is {value}, more than the largest of {largest}");
    }

    // Bits may stand without a space between them.
    private byte Bit(int index)
    {
        SkipSpace();
        if (position >= file.Length)
            throw new UnreadableImageException(path, $"cut off: the PNM ends after {index} values");
        return file[position++] switch
        {
            (byte)'0' => 255,
            (byte)'1' => 0,
            _ => throw Damaged($"byte {position - 1} is no bit"),
        };
    }

    private int Number(string name)
    {
        SkipSpace();
        return Digits() ?? throw Damaged($"the {name} in its header is no number");
    }

    // A number of at most nine digits that white space, a comment or the end of the file follows.
    private int? Digits()
    {
        var (start, value) = (position, 0);
        for (; position < file.Length && file[position] is >= (byte)'0' and <= (byte)'9'; position++)
        {
            if (position - start == 9)
                return null;
            value = 10 * value + file[position] - '0';
        }
        return position > start && (position == file.Length || IsSpace(file[position]) || file[position] == '#') ? value : null;
    }

    private void SkipSpace()
    {
        for (; position < file.Length; position++)
        {
            if (file[position] == '#')
                while (position < file.Length && file[position] is not ((byte)'\n' or (byte)'\r'))
                    position++;
            else if (!IsSpace(file[position]))
                return;
        }
    }

    private static bool IsSpace(byte value) => value is (byte)' ' or >= 9 and <= 13;

    private readonly UnreadableImageException Damaged(string problem) => new(path, $"damaged PNM: {problem}");
}
