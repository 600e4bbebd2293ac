using System.Buffers.Binary;
using System.IO.Compression;
using System.IO.Hashing;

namespace Tessera.Data.Formats;

/// <summary>What a PNG file says of its pixels.</summary>
/// <param name="Height">Rows.</param>
/// <param name="Width">Columns.</param>
/// <param name="Depth">Bits per value.</param>
/// <param name="Channels">1 for grey and palettes, 2 with alpha, 3 or 4 for colours.</param>
/// <param name="Interlaced">Whether the pixels come in seven passes.</param>
/// <param name="Palette">Red, green and blue of each index; null where values are no indices.</param>
internal sealed record PngHead(int Height, int Width, int Depth, int Channels, bool Interlaced, byte[]? Palette);

/// <summary>Values of a row, or of some pixels of it.</summary>
/// <param name="values">A value per pixel and channel.</param>
/// <param name="y">The row.</param>
/// <param name="left">Column of the first pixel.</param>
/// <param name="step">From one pixel to the next: above 1 in interlaced files.</param>
internal delegate void PngRow(ReadOnlySpan<ushort> values, int y, int left, int step);

/// <summary>
/// The stored values of a PNG file, without any conversion: a palette's indices, 16 bits where there are 16. Of an animated file, it is the
/// picture that programs without animation show.
/// </summary>
/// <param name="Height">Rows.</param>
/// <param name="Width">Columns.</param>
/// <param name="Channels">1 for grey and palettes, 2 with alpha, 3 or 4 for colours.</param>
/// <param name="Values">[H, W, C].</param>
/// <param name="Palette">Red, green and blue of each index; empty without palette.</param>
internal sealed record PngValues(int Height, int Width, int Channels, ushort[] Values, byte[] Palette)
{
    private const int LargestImage = 1 << 28,
        HeaderPlace = 8,
        LargestHead = 768,
        HeaderChunk = 0x49484452,
        PaletteChunk = 0x504C5445,
        DataChunk = 0x49444154,
        EndChunk = 0x49454E44;

    private static ReadOnlySpan<byte> Signature => [0x89, (byte)'P', (byte)'N', (byte)'G', 13, 10, 26, 10];

    // Rows and columns that the passes of an interlaced file begin with, and their distances.
    private static readonly (int Top, int Left, int Down, int Right)[] passes =
    [
        (0, 0, 8, 8),
        (0, 4, 8, 8),
        (4, 0, 8, 4),
        (0, 2, 4, 4),
        (2, 0, 4, 2),
        (0, 1, 2, 2),
        (1, 0, 2, 1),
    ];

    /// <summary>Reads a file; label maps are such files, and decoders of pictures would look their indices up.</summary>
    /// <exception cref="DataFormatException">Not a PNG file, or a damaged one.</exception>
    public static PngValues Read(string path) => Read(path, DataFiles.ReadAll(path));

    internal static PngValues Read(string path, byte[] file)
    {
        ushort[] all = [];
        var head = Read(path, file, head =>
        {
            all = new ushort[checked(head.Height * head.Width * head.Channels)];
            return (values, y, left, step) =>
            {
                var channels = head.Channels;
                var row = all.AsSpan(y * head.Width * channels, head.Width * channels);
                if (step == 1)
                    values.CopyTo(row[(left * channels)..]);
                else
                    for (var (from, to) = (0, left * channels); from < values.Length; from += channels, to += step * channels)
                        values.Slice(from, channels).CopyTo(row[to..]);
            };
        });
        return new(head.Height, head.Width, head.Channels, all, head.Palette ?? []);
    }

    /// <summary>Reads as much of a file as tells its size, its kind and its palette.</summary>
    /// <exception cref="DataFormatException">Not a PNG file, or a damaged one.</exception>
    internal static PngHead Head(string path)
    {
        using var file = DataFiles.Open(path);
        Span<byte> start = stackalloc byte[8];
        if (file.ReadAtLeast(start, start.Length, throwOnEndOfStream: false) < start.Length || !start.SequenceEqual(Signature))
            throw new DataFormatException(path, 0, "not a PNG file");
        var chunks = new Chunks(path);
        while (!chunks.ReachedData)
        {
            var place = file.Position;
            if (file.ReadAtLeast(start, start.Length, throwOnEndOfStream: false) < start.Length)
                throw CutOff(path, place);
            var (length, kind) = (BinaryPrimitives.ReadUInt32BigEndian(start), start[4..].ToArray());
            CheckLength(path, place, length, file.Length);
            // Profiles and comments may be long, and nothing in them matters.
            if (!Chunks.Wants(BinaryPrimitives.ReadInt32BigEndian(kind)))
            {
                file.Position += length + 4;
                continue;
            }
            if (BinaryPrimitives.ReadInt32BigEndian(kind) is DataChunk or EndChunk)
                break;
            if (length > LargestHead)
                throw new DataFormatException(path, place, $"a header or a palette of {length} bytes");
            var chunk = new byte[length + 8];
            kind.CopyTo(chunk, 0);
            file.ReadExactly(chunk.AsSpan(4));
            chunks.Add(place, chunk);
        }
        return chunks.Head;
    }

    /// <summary>Reads a file row by row.</summary>
    /// <param name="path">Names the file in errors.</param>
    /// <param name="file">All of it.</param>
    /// <param name="begin">Told of the size before the first row; what it gives takes the rows.</param>
    /// <exception cref="DataFormatException">Not a PNG file, or a damaged one.</exception>
    internal static PngHead Read(string path, byte[] file, Func<PngHead, PngRow> begin)
    {
        if (!file.AsSpan().StartsWith(Signature))
            throw new DataFormatException(path, 0, "not a PNG file");
        var chunks = new Chunks(path);
        using var packed = new MemoryStream();
        for (var position = HeaderPlace; ; )
        {
            if (position + 12 > file.Length)
                throw CutOff(path, position);
            var length = BinaryPrimitives.ReadUInt32BigEndian(file.AsSpan(position));
            CheckLength(path, position, length, file.Length);
            if (chunks.Add(position, file.AsSpan(position + 4, (int)length + 8)) is var data && !data.IsEmpty)
                packed.Write(data);
            if (chunks.ReachedEnd)
            {
                packed.Position = 0;
                var head = chunks.Head;
                Unpack(path, head, packed, begin);
                return head;
            }
            position += 12 + (int)length;
        }
    }

    private static DataFormatException CutOff(string path, long place) => new(path, place, "cut off: the end mark is missing");

    private static void CheckLength(string path, long place, uint length, long fileLength)
    {
        if (length > fileLength - place - 12)
            throw new DataFormatException(path, place, $"a chunk of {length} bytes, of which {fileLength - place - 12} are there");
    }

    /// <summary>The chunks of a file so far.</summary>
    private sealed class Chunks(string path)
    {
        private PngHead? head;
        private byte[]? palette;
        private bool isPalette;

        internal bool ReachedData { get; private set; }

        internal bool ReachedEnd { get; private set; }

        internal PngHead Head =>
            head is null ? throw new DataFormatException(path, HeaderPlace, "no header")
            : isPalette && palette is null ? throw new DataFormatException(path, null, "a palette is announced, and there is none")
            : head with { Palette = isPalette ? palette : null };

        internal static bool Wants(int kind) => kind is HeaderChunk or PaletteChunk or DataChunk or EndChunk;

        // Takes the kind of a chunk, its bytes and their checksum; gives back packed pixels.
        internal ReadOnlySpan<byte> Add(long place, ReadOnlySpan<byte> chunk)
        {
            var kind = BinaryPrimitives.ReadInt32BigEndian(chunk);
            if (!Wants(kind))
                return [];
            if (Crc32.HashToUInt32(chunk[..^4]) != BinaryPrimitives.ReadUInt32BigEndian(chunk[^4..]))
                throw new DataFormatException(path, place, "damaged: the checksum of a chunk is wrong");
            var data = chunk[4..^4];
            switch (kind)
            {
                case HeaderChunk:
                    (head, isPalette) = ReadHeader(path, data);
                    return [];
                case PaletteChunk:
                    if (data.Length % 3 != 0 || data.Length is 0 or > 768)
                        throw new DataFormatException(
                            path,
                            place,
                            $"a palette of {data.Length} bytes: it must have 3 for each of 1 to 256"
                        );
                    palette = data.ToArray();
                    return [];
                case DataChunk:
                    ReachedData = true;
                    return data;
                default:
                    ReachedEnd = true;
                    return [];
            }
        }
    }

    private static (PngHead Head, bool IsPalette) ReadHeader(string path, ReadOnlySpan<byte> data)
    {
        if (data.Length < 13)
            throw new DataFormatException(path, HeaderPlace, "a header that is too short");
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
        if (data[12] > 1)
            throw new DataFormatException(path, 28, $"interlacing of kind {data[12]}");
        return (new((int)height, (int)width, depth, channels, data[12] == 1, null), color == 3);
    }

    private static void Unpack(string path, PngHead head, Stream packed, Func<PngHead, PngRow> begin)
    {
        (int Top, int Left, int Down, int Right)[] own = head.Interlaced ? passes : [(0, 0, 1, 1)];
        int Columns((int Top, int Left, int Down, int Right) pass) => Math.Max(0, (head.Width - pass.Left + pass.Right - 1) / pass.Right);
        int Rows((int Top, int Left, int Down, int Right) pass) => Math.Max(0, (head.Height - pass.Top + pass.Down - 1) / pass.Down);
        int Bytes(int columns) => checked((int)(((long)columns * head.Channels * head.Depth + 7) / 8));

        // Deflate cannot shrink more than this: a header that lies is found before memory is asked for.
        var needed = own.Sum(pass => Columns(pass) == 0 ? 0 : (long)Rows(pass) * (Bytes(Columns(pass)) + 1));
        if (needed > packed.Length * 1032 + 1032)
            throw new DataFormatException(path, null, $"cut off: {packed.Length} bytes cannot hold {head.Width}x{head.Height} pixels");
        var take = begin(head);
        var step = Math.Max(1, head.Channels * head.Depth / 8);
        var values = new ushort[checked(head.Width * head.Channels)];
        try
        {
            using var stream = new ZLibStream(packed, CompressionMode.Decompress);
            foreach (var pass in own)
            {
                var columns = Columns(pass);
                if (columns == 0)
                    continue;
                var (row, above) = (new byte[Bytes(columns)], new byte[Bytes(columns)]);
                for (var y = pass.Top; y < head.Height; y += pass.Down)
                {
                    var filter = stream.ReadByte();
                    if (filter < 0 || stream.ReadAtLeast(row, row.Length, throwOnEndOfStream: false) < row.Length)
                        throw new DataFormatException(path, null, $"cut off in row {y} of {head.Height}");
                    Unfilter(path, filter, row, above, step);
                    var pixels = values.AsSpan(0, columns * head.Channels);
                    Split(row, pixels, head.Depth);
                    take(pixels, y, pass.Left, pass.Right);
                    (row, above) = (above, row);
                }
            }
        }
        catch (Exception error) when (error is InvalidDataException or IOException)
        {
            throw new DataFormatException(path, null, "damaged compressed data", error);
        }
    }

    // The first pixel of a row has nothing to its left.
    private static void Unfilter(string path, int filter, Span<byte> row, ReadOnlySpan<byte> above, int step)
    {
        above = above[..row.Length];
        var first = Math.Min(step, row.Length);
        switch (filter)
        {
            case 0:
                break;
            case 1:
                for (var i = first; i < row.Length; i++)
                    row[i] += row[i - step];
                break;
            case 2:
                for (var i = 0; i < row.Length; i++)
                    row[i] += above[i];
                break;
            case 3:
                for (var i = 0; i < first; i++)
                    row[i] += (byte)(above[i] / 2);
                for (var i = first; i < row.Length; i++)
                    row[i] += (byte)((row[i - step] + above[i]) / 2);
                break;
            case 4:
                for (var i = 0; i < first; i++)
                    row[i] += above[i];
                for (var i = first; i < row.Length; i++)
                    row[i] += (byte)Paeth(row[i - step], above[i], above[i - step]);
                break;
            default:
                throw new DataFormatException(path, null, $"row filter {filter}");
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
        switch (depth)
        {
            case 16:
                for (var i = 0; i < values.Length; i++)
                    values[i] = BinaryPrimitives.ReadUInt16BigEndian(row[(2 * i)..]);
                break;
            case 8:
                for (var i = 0; i < values.Length; i++)
                    values[i] = row[i];
                break;
            default:
                for (var i = 0; i < values.Length; i++)
                {
                    var bit = i * depth;
                    values[i] = (ushort)((row[bit / 8] >> (8 - depth - bit % 8)) & ((1 << depth) - 1));
                }
                break;
        }
    }
}
