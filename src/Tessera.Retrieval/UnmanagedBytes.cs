namespace Tessera.Retrieval;

/// <summary>Bytes of any length in memory that stays where it is.</summary>
/// <param name="start">The first one.</param>
/// <param name="length">How many.</param>
internal readonly unsafe ref struct UnmanagedBytes(void* start, long length)
{
    internal long Length => length;

    /// <summary>One of the pieces that have a checksum each.</summary>
    internal ReadOnlySpan<byte> Chunk(int chunk)
    {
        var from = (long)chunk * RecordHeader.ChunkBytes;
        return new((byte*)start + from, (int)Math.Min(RecordHeader.ChunkBytes, length - from));
    }
}
