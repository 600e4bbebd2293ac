using System.Buffers.Binary;

namespace Tessera.Data.Imaging.Codecs;

/// <summary>Numbers from a file, least byte first, with an error where the file ends.</summary>
internal ref struct ByteReader(string path, string format, ReadOnlySpan<byte> file)
{
    private readonly ReadOnlySpan<byte> file = file;

    /// <summary>Bytes that were read or skipped.</summary>
    internal int Position { get; private set; }

    internal readonly bool IsAtEnd => Position >= file.Length;

    internal ReadOnlySpan<byte> Bytes(int count)
    {
        if (count > file.Length - Position)
            throw new UnreadableImageException(path, $"cut off: the {format} ends after {file.Length} bytes");
        var result = file.Slice(Position, count);
        Position += count;
        return result;
    }

    internal int Byte() => Bytes(1)[0];

    internal int UInt16() => BinaryPrimitives.ReadUInt16LittleEndian(Bytes(2));

    internal uint UInt32() => BinaryPrimitives.ReadUInt32LittleEndian(Bytes(4));

    internal void Skip(int count) => Bytes(count);

    internal readonly UnreadableImageException Damaged(string problem) => new(path, $"damaged {format}: {problem}");
}
