using System.Buffers.Binary;
using System.IO.Compression;

namespace Tessera.Data.Formats;

/// <summary>The stored values of a PNG file, without any conversion: a palette's indices, 16 bits where there are 16.</summary>
/// <param name="Height">Rows.</param>
/// <param name="Width">Columns.</param>
/// <param name="Channels">1 for grey and palettes, 2 with alpha, 3 or 4 for colours.</param>
/// <param name="Values">[H, W, C].</param>
/// <param name="Palette">Red, green and blue of each index; empty without palette.</param>
internal sealed record PngValues(int Height, int Width, int Channels, ushort[] Values, byte[] Palette)
{
    private const int LargestImage = 1 << 28;

    /// <summary>Reads a file; label maps are such files, and decoders of pictures would look their indices up.</summary>
    /// <exception cref="DataFormatException">Not a PNG file, a damaged one, or an interlaced one.</exception>
    public static PngValues Read(string path) => Read(path, DataFiles.ReadAll(path));

    internal static PngValues Read(string path, byte[] file)
    {
        if (!file.AsSpan().StartsWith<byte>([0x89, (byte)'P', (byte)'N', (byte)'G', 13, 10, 26, 10]))
            throw new DataFormatException(path, 0, "not a PNG file");
        Header? header = null;
        byte[] palette = [];
        using var packed = new MemoryStream();
        for (var position = 8; ; )
        {
            if (position + 12 > file.Length)
                throw new DataFormatException(path, position, "cut off: the end mark is missing");
            var length = BinaryPrimitives.ReadUInt32BigEndian(file.AsSpan(position));
            if (length > file.Length - position - 12)
                throw new DataFormatException(
                    path,
                    position,
                    $"a chunk of {length} bytes, of which {file.Length - position - 12} are there"
                );
            var data = file.AsSpan(position + 8, (int)length);
            switch (BinaryPrimitives.ReadUInt32BigEndian(file.AsSpan(position + 4)))
            {
                case 0x49484452:
                    header = Header.Read(path, data);
                    break;
                case 0x504C5445:
                    palette = data.ToArray();
                    break;
                case 0x49444154:
                    packed.Write(data);
                    break;
                case 0x49454E44:
                    if (header is not { } known)
                        throw new DataFormatException(path, 8, "no header");
                    packed.Position = 0;
                    return new(known.Height, known.Width, known.Channels, Unpack(path, known, packed), known.IsPalette ? palette : []);
                default:
                    break;
            }
            position += 12 + (int)length;
        }
    }

    private readonly record struct Header(int Height, int Width, int Depth, int Channels, bool IsPalette)
    {
        public static Header Read(string path, ReadOnlySpan<byte> data)
        {
            if (data.Length < 13)
                throw new DataFormatException(path, 8, "a header that is too short");
            var (width, height) = (BinaryPrimitives.ReadUInt32BigEndian(data), BinaryPrimitives.ReadUInt32BigEndian(data[4..]));
            if (width == 0 || height == 0 || (ulong)width * height > LargestImage)
                throw new DataFormatException(path, 16, $"an image of {width}x{height} pixels");
            var (depth, color) = (data[8], data[9]);
            var channels = color switch
            {
                0 or 3 => 1,
                2 => 3,
                4 => 2,
                6 => 4,
                _ => throw new DataFormatException(path, 25, $"colour type {color}"),
            };
            var allowed = color switch
            {
                0 => depth is 1 or 2 or 4 or 8 or 16,
                3 => depth is 1 or 2 or 4 or 8,
                _ => depth is 8 or 16,
            };
            if (!allowed)
                throw new DataFormatException(path, 24, $"{depth} bits per value with colour type {color}");
            if (data[12] != 0)
                throw new DataFormatException(path, 28, "interlaced files are not read: store it without interlacing");
            return new((int)height, (int)width, depth, channels, color == 3);
        }
    }

    private static ushort[] Unpack(string path, Header header, Stream packed)
    {
        var rowBytes = checked((int)(((long)header.Width * header.Channels * header.Depth + 7) / 8));
        // Deflate cannot shrink more than this: a header that lies is found before memory is asked for.
        if ((long)header.Height * (rowBytes + 1) > packed.Length * 1032 + 1032)
            throw new DataFormatException(path, null, $"cut off: {packed.Length} bytes cannot hold {header.Width}x{header.Height} pixels");
        var step = Math.Max(1, header.Channels * header.Depth / 8);
        var values = new ushort[checked(header.Height * header.Width * header.Channels)];
        var (row, above) = (new byte[rowBytes], new byte[rowBytes]);
        try
        {
            using var stream = new ZLibStream(packed, CompressionMode.Decompress);
            for (var y = 0; y < header.Height; y++)
            {
                var filter = stream.ReadByte();
                if (filter < 0 || stream.ReadAtLeast(row, rowBytes, throwOnEndOfStream: false) < rowBytes)
                    throw new DataFormatException(path, null, $"cut off in row {y} of {header.Height}");
                Unfilter(path, filter, row, above, step);
                Split(row, values.AsSpan(y * header.Width * header.Channels, header.Width * header.Channels), header.Depth);
                (row, above) = (above, row);
            }
        }
        catch (Exception error) when (error is InvalidDataException or IOException)
        {
            throw new DataFormatException(path, null, "damaged compressed data", error);
        }
        return values;
    }

    private static void Unfilter(string path, int filter, Span<byte> row, ReadOnlySpan<byte> above, int step)
    {
        if (filter > 4)
            throw new DataFormatException(path, null, $"row filter {filter}");
        for (var i = 0; i < row.Length && filter > 0; i++)
        {
            var (left, up, corner) = (i >= step ? row[i - step] : 0, (int)above[i], i >= step ? above[i - step] : 0);
            row[i] += (byte)(
                filter switch
                {
                    1 => left,
                    2 => up,
                    3 => (left + up) / 2,
                    _ => Paeth(left, up, corner),
                }
            );
        }
    }

    private static int Paeth(int left, int up, int corner)
    {
        var guess = left + up - corner;
        var (toLeft, toUp, toCorner) = (Math.Abs(guess - left), Math.Abs(guess - up), Math.Abs(guess - corner));
        return toLeft <= toUp && toLeft <= toCorner ? left
            : toUp <= toCorner ? up
            : corner;
    }

    private static void Split(ReadOnlySpan<byte> row, Span<ushort> values, int depth)
    {
        for (var i = 0; i < values.Length; i++)
        {
            if (depth == 16)
                values[i] = BinaryPrimitives.ReadUInt16BigEndian(row[(2 * i)..]);
            else if (depth == 8)
                values[i] = row[i];
            else
            {
                var bit = i * depth;
                values[i] = (ushort)((row[bit / 8] >> (8 - depth - bit % 8)) & ((1 << depth) - 1));
            }
        }
    }
}
