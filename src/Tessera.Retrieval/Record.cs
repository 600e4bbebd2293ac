using System.IO.Hashing;
using System.Runtime.InteropServices;

namespace Tessera.Retrieval;

/// <summary>A record in the mapped file. Its body is compared with its checksums when it is first looked at.</summary>
internal sealed unsafe class Record(RecordHeader header, long position)
{
    private readonly bool[] sound = new bool[header.Chunks];
    private volatile bool allSound = header.Chunks == 0;

    internal RecordHeader Header => header;
    internal long Position => position;
    internal long End => position + header.RecordBytes;

    /// <summary>Where the record lies in memory; the maps of the file set it.</summary>
    internal byte* Start { get; set; }

    internal byte* Body => Start + RecordHeader.Bytes + RecordHeader.Padded(header.TableBytes);

    /// <summary>The tables without the checksums of the body.</summary>
    internal byte* Tables => Start + RecordHeader.Bytes + 8L * header.Chunks;

    internal long TableBytes => header.TableBytes - 8L * header.Chunks;

    internal bool TablesAreSound =>
        XxHash3.HashToUInt64(new ReadOnlySpan<byte>(Start + RecordHeader.Bytes, (int)header.TableBytes)) == header.TableHash;

    /// <summary>Compares a part of the body with its checksums.</summary>
    /// <returns>False where it is damaged.</returns>
    internal bool IsSound(long from, long to)
    {
        if (allSound)
            return true;
        for (var chunk = (int)(from / RecordHeader.ChunkBytes); chunk < sound.Length && (long)chunk * RecordHeader.ChunkBytes < to; chunk++)
            if (!ChunkIsSound(chunk))
                return false;
        return true;
    }

    /// <summary>Compares all of the body with its checksums, on several threads.</summary>
    /// <param name="threads">How many.</param>
    internal bool IsSoundThroughout(int threads)
    {
        if (allSound)
            return true;
        var damaged = false;
        Parallel.For(0, sound.Length, new() { MaxDegreeOfParallelism = threads }, chunk =>
        {
            if (!ChunkIsSound(chunk))
                Volatile.Write(ref damaged, true);
        });
        allSound = !damaged;
        return allSound;
    }

    // Two threads may both compare a chunk: they find the same.
    private bool ChunkIsSound(int chunk)
    {
        if (Volatile.Read(ref sound[chunk]))
            return true;
        var from = (long)chunk * RecordHeader.ChunkBytes;
        var bytes = new ReadOnlySpan<byte>(Body + from, (int)Math.Min(RecordHeader.ChunkBytes, header.BodyBytes - from));
        var expected = MemoryMarshal.Read<ulong>(new ReadOnlySpan<byte>(Start + RecordHeader.Bytes + 8L * chunk, 8));
        if (XxHash3.HashToUInt64(bytes) != expected)
            return false;
        Volatile.Write(ref sound[chunk], true);
        return true;
    }
}
