using System.Buffers.Binary;

namespace Tessera.Data.Imaging.Codecs;

/// <summary>The tags of the first image of a TIFF file that decide how it is read.</summary>
internal static class TiffTags
{
    private const int BitsPerSample = 258,
        Compressed = 259,
        Photometric = 262,
        Planes = 284,
        TileWidth = 322,
        SampleFormat = 339;

    private readonly record struct Tags(ulong Bits, ulong Format, ulong Photometric, ulong Planes, ulong Compression, bool IsTiled);

    /// <summary>Why the image is not read and what to do; null where nothing speaks against it, or the tags are damaged.</summary>
    internal static string? Obstacle(ReadOnlySpan<byte> file)
    {
        const string values = "which are not read: store it with 8 or 16 bits per value";
        return Read(file) is not { } tags ? null
            : tags.Format == 2 ? $"a TIFF with signed values of {tags.Bits} bits, {values}"
            : tags.Format is 3 or 5 or 6 ? $"a TIFF with floating-point values of {tags.Bits} bits, {values}"
            : tags.Bits is not (1 or 2 or 4 or 8 or 16) ? $"a TIFF with {tags.Bits} bits per value, {values}"
            : tags.Photometric is 8 or 9 or 10 ? "a TIFF with CIELab colours, which are not read: store it as RGB"
            : tags.Planes == 2 && tags.IsTiled ? "a TIFF with tiles of one channel each, which are not read: store its channels together"
            : null;
    }

    /// <summary>Why the values of the image would not come out as they are stored; null where they do.</summary>
    internal static string? LabelObstacle(ReadOnlySpan<byte> file)
    {
        const string remedy = "store the label map as PNG";
        return Read(file) is not { } tags ? $"a TIFF whose tags are damaged: {remedy}"
            : tags.Bits < 8 ? $"a TIFF with {tags.Bits} bits per value, which decoders stretch: {remedy}"
            : tags.Photometric == 3 ? $"a TIFF with a palette, whose indices decoders do not give: {remedy}"
            : tags.Compression is 6 or 7 or 33003 or 33005 or 34712 or 34887 or 34892 or 50001
                ? $"a TIFF whose compression need not keep values as they are: {remedy}"
            : tags.Photometric is not (1 or 2) ? $"a TIFF whose values decoders convert: {remedy}"
            : null;
    }

    private static Tags? Read(ReadOnlySpan<byte> file)
    {
        var little = file[0] == 'I';
        var big = file.Length >= 16 && UInt(file, 2, 2, little) == 43;
        var directory = big ? UInt(file, 8, 8, little) : UInt(file, 4, 4, little);
        var (counts, width) = big ? (8, 20) : (2, 12);
        if (directory is null || UInt(file, directory.Value, counts, little) is not { } count || count > 4096)
            return null;
        var (bits, format, photometric, planes, compression, tiled) = (1ul, 1ul, 1ul, 1ul, 1ul, false);
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
                case Compressed:
                    compression = value;
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
        return new(bits, format, photometric, planes, compression, tiled);
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
