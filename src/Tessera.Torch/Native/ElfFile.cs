using System.Buffers.Binary;
using System.Text;

namespace Tessera.Native;

/// <summary>What a shared library says of itself and of those that it needs, read without loading it.</summary>
/// <param name="SoName">Its own name, null where it has none.</param>
/// <param name="Needed">The names of those that it needs, in its order.</param>
/// <param name="RunPath">The folders that it asks for them.</param>
internal sealed record ElfFile(string? SoName, IReadOnlyList<string> Needed, IReadOnlyList<string> RunPath)
{
    private const int HeaderBytes = 64;
    private const int ProgramHeaderBytes = 56;
    private const int EntryBytes = 16;
    private const int LargestTable = 1 << 20;
    private const int LongestName = 4096;

    private enum Segment : uint
    {
        Loaded = 1,
        Dynamic = 2,
    }

    private enum Tag : long
    {
        Needed = 1,
        Strings = 5,
        SoName = 14,
        RunPathOld = 15,
        RunPath = 29,
    }

    /// <summary>Reads a library for 64 bits, little endian; null where the file is no such library.</summary>
    /// <param name="path">The file, or a link to it.</param>
    /// <exception cref="IOException">It cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">It may not be read.</exception>
    internal static ElfFile? Read(string path)
    {
        using var file = File.OpenHandle(path);
        return Read((offset, count) => Bytes(file, offset, count));
    }

    /// <inheritdoc cref="Read(string)"/>
    /// <param name="content">The whole file.</param>
    internal static ElfFile? Read(ReadOnlyMemory<byte> content) =>
        Read(
            (offset, count) =>
                offset < 0 || offset >= content.Length ? default : content.Slice((int)offset, (int)Math.Min(count, content.Length - offset))
        );

    private static ReadOnlyMemory<byte> Bytes(Microsoft.Win32.SafeHandles.SafeFileHandle file, long offset, int count)
    {
        if (offset < 0)
            return default;
        var bytes = new byte[count];
        return bytes.AsMemory(0, RandomAccess.Read(file, bytes, offset));
    }

    private static ElfFile? Read(Func<long, int, ReadOnlyMemory<byte>> read)
    {
        var header = read(0, HeaderBytes).Span;
        if (header.Length < HeaderBytes || !header.StartsWith("\u007fELF\u0002\u0001"u8))
            return null;
        var segments = Segments(header, read);
        if (segments.Find(segment => segment.Kind == Segment.Dynamic) is not { Bytes: > 0 and <= LargestTable } dynamic)
            return null;
        var entries = Entries(read(dynamic.Offset, (int)dynamic.Bytes).Span);
        if (entries.Find(entry => entry.Tag == Tag.Strings) is not { Tag: Tag.Strings, Value: var address })
            return null;
        var loaded = segments.Find(segment =>
            segment.Kind == Segment.Loaded && address >= segment.Address && address - segment.Address < segment.Bytes
        );
        if (loaded is null)
            return null;
        var strings = address - loaded.Address + loaded.Offset;
        string Name(long at) => Text(read(unchecked(strings + at), LongestName).Span);
        return new(
            entries.Where(entry => entry.Tag == Tag.SoName).Select(entry => Name(entry.Value)).FirstOrDefault(),
            [.. entries.Where(entry => entry.Tag == Tag.Needed).Select(entry => Name(entry.Value))],
            [
                .. entries
                    .Where(entry => entry.Tag is Tag.RunPath or Tag.RunPathOld)
                    .SelectMany(entry => Name(entry.Value).Split(':', StringSplitOptions.RemoveEmptyEntries)),
            ]
        );
    }

    private sealed record SegmentHeader(Segment Kind, long Offset, long Address, long Bytes);

    private static List<SegmentHeader> Segments(ReadOnlySpan<byte> header, Func<long, int, ReadOnlyMemory<byte>> read)
    {
        var offset = BinaryPrimitives.ReadInt64LittleEndian(header[32..]);
        int size = BinaryPrimitives.ReadUInt16LittleEndian(header[54..]);
        int count = BinaryPrimitives.ReadUInt16LittleEndian(header[56..]);
        List<SegmentHeader> segments = [];
        if (size < ProgramHeaderBytes || (long)size * count > LargestTable)
            return segments;
        var table = read(offset, size * count).Span;
        for (; table.Length >= size; table = table[size..])
            segments.Add(
                new(
                    (Segment)BinaryPrimitives.ReadUInt32LittleEndian(table),
                    BinaryPrimitives.ReadInt64LittleEndian(table[8..]),
                    BinaryPrimitives.ReadInt64LittleEndian(table[16..]),
                    BinaryPrimitives.ReadInt64LittleEndian(table[32..])
                )
            );
        return segments;
    }

    private static List<(Tag Tag, long Value)> Entries(ReadOnlySpan<byte> dynamic)
    {
        List<(Tag, long)> entries = [];
        for (; dynamic.Length >= EntryBytes; dynamic = dynamic[EntryBytes..])
            entries.Add(((Tag)BinaryPrimitives.ReadInt64LittleEndian(dynamic), BinaryPrimitives.ReadInt64LittleEndian(dynamic[8..])));
        return entries;
    }

    private static string Text(ReadOnlySpan<byte> bytes) => Encoding.UTF8.GetString(bytes[..Math.Max(0, bytes.IndexOf((byte)0))]);
}
