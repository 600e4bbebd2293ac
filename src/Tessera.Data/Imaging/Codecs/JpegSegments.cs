using System.Buffers.Binary;

namespace Tessera.Data.Imaging.Codecs;

/// <summary>The marked segments of JPEG files.</summary>
internal static class JpegSegments
{
    private const byte StartOfImage = 0xD8,
        EndOfImage = 0xD9,
        StartOfScan = 0xDA,
        Comment = 0xFE;

    /// <summary>Bytes of the header that belong to no segment, which decoders skip.</summary>
    internal static int Strays(ReadOnlySpan<byte> file) => Walk(file, null, bare: false);

    /// <summary>The file without the stray bytes of its header; null where it has none.</summary>
    /// <remarks>libjpeg remarks on the first oddity of a file only: one that does no harm would hide damage.</remarks>
    internal static byte[]? WithoutStrays(ReadOnlySpan<byte> file)
    {
        if (Strays(file) == 0)
            return null;
        using var kept = new MemoryStream(file.Length);
        Walk(file, kept, bare: false);
        return kept.ToArray();
    }

    /// <summary>What of the file takes part in decoding, without anything that libjpeg remarks on and that does no harm.</summary>
    /// <remarks>
    /// Applications' own segments are left out, with versions that are not known; so are bytes between segments, and numbers of a scan
    /// that mean nothing in a file that is not progressive are put right. Colours may be other ones.
    /// </remarks>
    internal static byte[] Bare(ReadOnlySpan<byte> file)
    {
        using var kept = new MemoryStream(file.Length);
        Walk(file, kept, bare: true);
        return kept.ToArray();
    }

    private static int Walk(ReadOnlySpan<byte> file, MemoryStream? kept, bool bare)
    {
        var (position, strays, progressive) = (2, 0, false);
        kept?.Write(file[..Math.Min(2, file.Length)]);
        while (position < file.Length)
        {
            // A marker is 0xFF, possibly several times, and a byte that is neither 0xFF nor 0.
            var start = position;
            while (position < file.Length && file[position] != 0xFF)
                position++;
            var mark = position;
            while (position < file.Length && file[position] == 0xFF)
                position++;
            if (position >= file.Length)
                break;
            var marker = file[position++];
            if (marker == 0)
            {
                strays += position - start;
                continue;
            }
            strays += mark - start;
            if (marker is 0x01 or StartOfImage or >= 0xD0 and <= 0xD7)
            {
                kept?.Write(file[mark..position]);
                continue;
            }
            if (marker == EndOfImage)
            {
                kept?.Write(file[mark..(bare ? position : file.Length)]);
                return strays;
            }
            var length = position + 2 <= file.Length ? BinaryPrimitives.ReadUInt16BigEndian(file[position..]) : 0;
            if (length < 2 || length > file.Length - position)
            {
                kept?.Write(file[mark..]);
                return strays;
            }
            var segment = file[mark..(position + length)];
            position += length;
            progressive |= marker is 0xC2 or 0xCA;
            if (marker == StartOfScan && bare && !progressive && segment.Length > 5)
            {
                kept?.Write(segment[..^3]);
                kept?.Write([0, 63, 0]);
            }
            else if (!bare || marker is not (>= 0xE0 and <= 0xEF or Comment))
                kept?.Write(segment);
            if (marker != StartOfScan)
                continue;
            if (!bare)
            {
                kept?.Write(file[position..]);
                return strays;
            }
            start = position;
            while (position + 1 < file.Length && !(file[position] == 0xFF && file[position + 1] is not (0 or 0xFF or >= 0xD0 and <= 0xD7)))
                position++;
            if (position + 1 >= file.Length)
                position = file.Length;
            kept?.Write(file[start..position]);
        }
        return strays;
    }
}
