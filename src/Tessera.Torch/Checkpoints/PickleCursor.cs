using System.Buffers.Binary;
using System.Text;
using System.Text.Unicode;

namespace Tessera.Checkpoints;

/// <summary>Reads the arguments of pickle instructions, never beyond the end.</summary>
internal ref struct PickleCursor(ReadOnlySpan<byte> bytes, string path)
{
    readonly ReadOnlySpan<byte> bytes = bytes;

    /// <summary>Index of the next byte.</summary>
    public int Position { get; private set; }

    public byte Byte() => Take(1)[0];

    public ushort UInt16() => BinaryPrimitives.ReadUInt16LittleEndian(Take(2));

    public int Int32() => BinaryPrimitives.ReadInt32LittleEndian(Take(4));

    public uint UInt32() => BinaryPrimitives.ReadUInt32LittleEndian(Take(4));

    public ulong UInt64() => BinaryPrimitives.ReadUInt64LittleEndian(Take(8));

    public double Double() => BinaryPrimitives.ReadDoubleBigEndian(Take(8));

    public ReadOnlySpan<byte> Take(ulong length)
    {
        if (length > (ulong)(bytes.Length - Position))
            throw Corrupt($"an instruction needs {length} bytes, and {bytes.Length - Position} are left");
        var part = bytes.Slice(Position, (int)length);
        Position += (int)length;
        return part;
    }

    public string Text(ulong length)
    {
        var part = Take(length);
        if (!Utf8.IsValid(part))
            throw Corrupt("a string must be UTF-8");
        return Encoding.UTF8.GetString(part);
    }

    /// <summary>A name up to the end of its line.</summary>
    public string Line()
    {
        const int longest = 512;
        var rest = bytes[Position..];
        var end = rest[..Math.Min(rest.Length, longest)].IndexOf((byte)'\n');
        if (end < 0)
            throw Corrupt($"a name must end within {longest} bytes");
        var text = Text((ulong)end);
        Position++;
        return text;
    }

    public readonly CorruptCheckpointException Corrupt(string problem) => new(path, $"the pickle is damaged at byte {Position}: {problem}");
}
