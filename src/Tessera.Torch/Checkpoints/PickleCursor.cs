using System.Buffers;
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

    /// <summary>A string. Python writes half a surrogate pair, which a file name may hold, as three bytes of its own.</summary>
    public string Text(ulong length)
    {
        var part = Take(length);
        if (Utf8.IsValid(part))
            return Encoding.UTF8.GetString(part);
        var text = new StringBuilder(part.Length);
        while (part.Length > 0)
        {
            if (Rune.DecodeFromUtf8(part, out var rune, out var taken) == OperationStatus.Done)
                text.Append(rune);
            else if (part is [0xed, >= 0xa0 and <= 0xbf, >= 0x80 and <= 0xbf, ..])
                (taken, _) = (3, text.Append((char)(0xd000 | (part[1] & 0x3f) << 6 | part[2] & 0x3f)));
            else
                throw Corrupt("a string must be UTF-8");
            part = part[taken..];
        }
        return text.ToString();
    }

    /// <summary>A name up to the end of its line.</summary>
    public string Line()
    {
        const int longest = 512;
        var line = RawLine(longest);
        return Utf8.IsValid(line) ? Encoding.UTF8.GetString(line) : throw Corrupt("a name must be UTF-8");
    }

    /// <summary>The bytes up to the end of a line, of which the end is taken too.</summary>
    public ReadOnlySpan<byte> RawLine(int longest)
    {
        var rest = bytes[Position..];
        var end = rest[..Math.Min(rest.Length, longest)].IndexOf((byte)'\n');
        if (end < 0)
            throw Corrupt($"a line must end within {longest} bytes");
        Position += end + 1;
        return rest[..end];
    }

    /// <summary>The bytes break a rule of pickles.</summary>
    public readonly CorruptCheckpointException Corrupt(string problem) => new(path, $"the pickle is damaged at byte {Position}: {problem}");

    /// <summary>The bytes may be as they were written, but nobody writes weights that way: a limit, or a form that is not read.</summary>
    public readonly CorruptCheckpointException Refused(string problem) =>
        new(path, $"the pickle cannot be read beyond byte {Position}: {problem}");
}
