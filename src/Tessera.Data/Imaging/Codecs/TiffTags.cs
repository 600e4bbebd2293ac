using System.Buffers.Binary;

namespace Tessera.Data.Imaging.Codecs;

/// <summary>The tags of the first image of a TIFF file that decide how it is read.</summary>
internal static class TiffTags
{
    private const int BitsPerSample = 258,
        Photometric = 262,
        Planes = 284,
        TileWidth = 322,
        SampleFormat = 339;

    /// <summary>Why the image is not read and what to do; null where nothing speaks against it, or the tags are damaged.</summary>
    internal static string? Obstacle(ReadOnlySpan<byte> file)
    {
        var little = file[0] == 'I';
        var big = file.Length >= 16 && UInt(file, 2, 2, little) == 43;
        var directory = big ? UInt(file, 8, 8, little) : UInt(file, 4, 4, little);
        var (counts, width) = big ? (8, 20) : (2, 12);
        if (directory is null || UInt(file, directory.Value, counts, little) is not { } count || count > 4096)
            return null;
        var (bits, format, photometric, planes, tiled) = (1ul, 1ul, 1ul, 1ul, false);
        for (var i = 0ul; i < count; i++)
        {
            var entry = directory.Value + (ulong)counts + i * (ulong)width;
            if (UInt(file, entry, 2, little) is not { } tag || First(file, entry, big, little) is not { } value)
                return null;
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
                case SampleFormat:
                    format = value;
                    break;
                default:
                    break;
            }
        }
        const string values = "which are not read: store it with 8 or 16 bits per value";
        return format == 2 ? $"a TIFF with signed values of {bits} bits, {values}"
            : format is 3 or 5 or 6 ? $"a TIFF with floating-point values of {bits} bits, {values}"
            : bits is not (1 or 2 or 4 or 8 or 16) ? $"a TIFF with {bits} bits per value, {values}"
            : photometric is 8 or 9 or 10 ? "a TIFF with CIELab colours, which are not read: store it as RGB"
            : planes == 2 && tiled ? "a TIFF with tiles of one channel each, which are not read: store its channels together"
            : null;
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
