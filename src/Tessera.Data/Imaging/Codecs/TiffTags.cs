using System.Buffers.Binary;

namespace Tessera.Data.Imaging.Codecs;

/// <summary>The tags of the first image of a TIFF file that decide how it is read.</summary>
internal readonly record struct TiffTags
{
    private const int BitsPerSample = 258,
        Photometric = 262,
        Planes = 284,
        TileWidth = 322,
        ExtraSamples = 338,
        SampleFormat = 339;

    /// <summary>Why the image is not read; null where nothing speaks against it.</summary>
    internal string? Obstacle { get; private init; }

    /// <summary>Whether colours were multiplied by alpha.</summary>
    internal bool IsPremultiplied { get; private init; }

    /// <summary>Reads the tags; where they are damaged, the decoder will say so.</summary>
    internal static TiffTags Read(ReadOnlySpan<byte> file)
    {
        var little = file[0] == 'I';
        var big = file.Length >= 16 && UInt(file, 2, 2, little) == 43;
        var directory = big ? UInt(file, 8, 8, little) : UInt(file, 4, 4, little);
        var (counts, width) = big ? (8, 20) : (2, 12);
        if (directory is null || UInt(file, directory.Value, counts, little) is not { } count || count > 4096)
            return default;
        var (bits, format, photometric, planes, tiled, extra) = (1ul, 1ul, 1ul, 1ul, false, 0ul);
        for (var i = 0ul; i < count; i++)
        {
            var entry = directory.Value + (ulong)counts + i * (ulong)width;
            if (UInt(file, entry, 2, little) is not { } tag || First(file, entry, big, little) is not { } value)
                return default;
            switch (tag)
            {
                case BitsPerSample:
                    bits = value;
                    break;
                case Photometric:
                    photometric = value;
                    break;
                case Planes:
                    planes = value;
                    break;
                case TileWidth:
                    tiled = true;
                    break;
                case ExtraSamples:
                    extra = value;
                    break;
                case SampleFormat:
                    format = value;
                    break;
                default:
                    break;
            }
        }
        var obstacle =
            format == 2 ? $"signed values of {bits} bits"
            : format is 3 or 5 or 6 ? $"floating-point values of {bits} bits"
            : bits is not (1 or 2 or 4 or 8 or 16) ? $"{bits} bits per value"
            : photometric is 8 or 9 or 10 ? "CIELab colours"
            : planes == 2 && tiled ? "tiles with a plane per channel"
            : null;
        return new()
        {
            Obstacle = obstacle is null ? null : $"a TIFF with {obstacle}, which are not read: store it with 8 or 16 bits per value, as RGB or grey",
            IsPremultiplied = extra == 1 && photometric == 2,
        };
    }

    // The first value of an entry, which stands in it or where it says.
    private static ulong? First(ReadOnlySpan<byte> file, ulong entry, bool big, bool little)
    {
        var size = UInt(file, entry + 2, 2, little) switch
        {
            1 or 2 or 6 or 7 => 1,
            3 or 8 => 2,
            4 or 9 or 11 => 4,
            _ => 8,
        };
        var inside = entry + (big ? 12ul : 8ul);
        var count = UInt(file, entry + 4, big ? 8 : 4, little);
        if (count > (ulong)((big ? 8 : 4) / size))
            return UInt(file, inside, big ? 8 : 4, little) is { } place ? UInt(file, place, size, little) ?? 0 : null;
        return UInt(file, inside, size, little);
    }

    private static ulong? UInt(ReadOnlySpan<byte> file, ulong place, int size, bool little)
    {
        if (place > (ulong)file.Length || (ulong)file.Length - place < (ulong)size)
            return null;
        var bytes = file.Slice((int)place, size);
        return size switch
        {
            1 => bytes[0],
            2 => little ? BinaryPrimitives.ReadUInt16LittleEndian(bytes) : BinaryPrimitives.ReadUInt16BigEndian(bytes),
            4 => little ? BinaryPrimitives.ReadUInt32LittleEndian(bytes) : BinaryPrimitives.ReadUInt32BigEndian(bytes),
            _ => little ? BinaryPrimitives.ReadUInt64LittleEndian(bytes) : BinaryPrimitives.ReadUInt64BigEndian(bytes),
        };
    }
}
