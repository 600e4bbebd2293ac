using System.Buffers.Binary;
using System.IO.Hashing;

namespace Tessera.Retrieval;

/// <summary>
/// How far a file is committed. Two slots hold the last two commits in turn, so that a slot that is cut while it is written leaves the
/// other one.
/// </summary>
/// <param name="Sequence">Number of the commit, from 1.</param>
/// <param name="Length">Bytes of the file that are committed.</param>
/// <param name="NextId">The id that the next item gets.</param>
internal readonly record struct Commit(long Sequence, long Length, long NextId)
{
    internal const int Bytes = 40;
    private const ulong Magic = 0x54494D4D4F435354; // "TSCOMMIT"

    /// <summary>Where the slot of a commit lies.</summary>
    internal static long PositionOf(long sequence) => IndexFile.Page * (1 + (sequence & 1));

    internal byte[] ToBytes()
    {
        var bytes = new byte[Bytes];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, Magic);
        BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(8), Sequence);
        BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(16), Length);
        BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(24), NextId);
        BinaryPrimitives.WriteUInt64LittleEndian(bytes.AsSpan(32), XxHash3.HashToUInt64(bytes.AsSpan(0, 32)));
        return bytes;
    }

    /// <summary>The commit of a slot; null where there is none, or not a whole one.</summary>
    internal static Commit? Read(ReadOnlySpan<byte> bytes)
    {
        if (
            BinaryPrimitives.ReadUInt64LittleEndian(bytes) != Magic
            || BinaryPrimitives.ReadUInt64LittleEndian(bytes[32..]) != XxHash3.HashToUInt64(bytes[..32])
        )
            return null;
        return new(
            BinaryPrimitives.ReadInt64LittleEndian(bytes[8..]),
            BinaryPrimitives.ReadInt64LittleEndian(bytes[16..]),
            BinaryPrimitives.ReadInt64LittleEndian(bytes[24..])
        );
    }
}
