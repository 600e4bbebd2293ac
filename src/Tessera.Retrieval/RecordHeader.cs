using System.IO.Hashing;
using System.Runtime.InteropServices;

namespace Tessera.Retrieval;

/// <summary>What a record holds.</summary>
internal enum RecordKind
{
    /// <summary>The <see cref="IndexHeader"/>; always the first record and the only one of its kind.</summary>
    Header = 1,

    /// <summary>Items with their vectors.</summary>
    Items = 2,

    /// <summary>Ids of items that were deleted.</summary>
    Removal = 3,

    /// <summary>A graph of approximate search; the last one counts.</summary>
    Graph = 4,
}

/// <summary>
/// The first bytes of a record. Its tables follow, with checksums of each <see cref="ChunkBytes"/> of the body before all else, then the
/// body, both filled up to whole <see cref="Bytes"/>.
/// </summary>
[StructLayout(LayoutKind.Sequential)]
internal struct RecordHeader
{
    internal const int Bytes = 64;
    internal const int ChunkBytes = 1 << 20;
    private const uint Magic = 0x43455254; // "TREC"

    private uint magic;
    internal RecordKind Kind;
    internal long Sequence;
    internal long Count;
    internal long TableBytes;
    internal long BodyBytes;
    internal ulong TableHash;
    internal long IsLast;
    private ulong hash;

    /// <summary>Bytes of the whole record.</summary>
    internal readonly long RecordBytes => Bytes + Padded(TableBytes) + Padded(BodyBytes);

    internal readonly int Chunks => (int)((BodyBytes + ChunkBytes - 1) / ChunkBytes);

    internal static long Padded(long bytes) => (bytes + Bytes - 1) / Bytes * Bytes;

    /// <summary>Makes it one of a position: a record that lies elsewhere is not taken for it.</summary>
    internal void Seal(long position)
    {
        magic = Magic;
        hash = HashAt(position);
    }

    /// <summary>Whether it is a whole header of a record that ends before the limit.</summary>
    internal readonly bool IsSound(long position, long limit) =>
        magic == Magic
        && hash == HashAt(position)
        && Kind is >= RecordKind.Header and <= RecordKind.Graph
        && Count is >= 0 and <= int.MaxValue
        && TableBytes is >= 0 and <= int.MaxValue
        && BodyBytes >= 0
        && BodyBytes <= limit
        && TableBytes >= 8L * Chunks
        && position + RecordBytes <= limit;

    private readonly ulong HashAt(long position)
    {
        var copy = this;
        var bytes = MemoryMarshal.AsBytes(new ReadOnlySpan<RecordHeader>(in copy));
        return XxHash3.HashToUInt64(bytes[..(Bytes - 8)], position);
    }
}
