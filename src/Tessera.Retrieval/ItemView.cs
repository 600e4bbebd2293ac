using System.Buffers.Binary;
using System.Text;

namespace Tessera.Retrieval;

/// <summary>An item as it lies in the file: nothing of it becomes an object before somebody asks.</summary>
/// <param name="bytes">Its name, the number of its fields, and each one's name and value: texts behind their lengths.</param>
internal readonly ref struct ItemView(ReadOnlySpan<byte> bytes)
{
    private readonly ReadOnlySpan<byte> bytes = bytes;

    internal ReadOnlySpan<byte> Name => Text(bytes, out _);

    /// <summary>Whether all lengths fit.</summary>
    internal bool IsConsistent
    {
        get
        {
            var rest = bytes;
            if (!Skip(ref rest) || rest.Length < 4)
                return false;
            var count = BinaryPrimitives.ReadInt32LittleEndian(rest);
            rest = rest[4..];
            if (count < 0)
                return false;
            for (; count > 0; count--)
                if (!Skip(ref rest) || !Skip(ref rest))
                    return false;
            return rest.IsEmpty;
        }
    }

    /// <summary>The value of a field.</summary>
    internal bool TryGet(ReadOnlySpan<byte> key, out ReadOnlySpan<byte> value)
    {
        foreach (var field in this)
            if (field.Key.SequenceEqual(key))
            {
                value = field.Value;
                return true;
            }
        value = default;
        return false;
    }

    internal IndexItem ToItem(long id)
    {
        var metadata = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var field in this)
            metadata[Encoding.UTF8.GetString(field.Key)] = Encoding.UTF8.GetString(field.Value);
        return new(id, Encoding.UTF8.GetString(Name), metadata);
    }

    public Fields GetEnumerator()
    {
        Text(bytes, out var rest);
        return new(rest[4..], BinaryPrimitives.ReadInt32LittleEndian(rest));
    }

    private static ReadOnlySpan<byte> Text(ReadOnlySpan<byte> from, out ReadOnlySpan<byte> rest)
    {
        var length = BinaryPrimitives.ReadInt32LittleEndian(from);
        rest = from[(4 + length)..];
        return from.Slice(4, length);
    }

    private static bool Skip(ref ReadOnlySpan<byte> rest)
    {
        if (rest.Length < 4 || BinaryPrimitives.ReadInt32LittleEndian(rest) is var length && (length < 0 || length > rest.Length - 4))
            return false;
        rest = rest[(4 + length)..];
        return true;
    }

    /// <summary>The fields in their order.</summary>
    internal ref struct Fields(ReadOnlySpan<byte> rest, int count)
    {
        private ReadOnlySpan<byte> rest = rest;
        private int left = count;

        public Field Current { get; private set; }

        public bool MoveNext()
        {
            if (left-- <= 0)
                return false;
            var key = Text(rest, out rest);
            Current = new(key, Text(rest, out rest));
            return true;
        }
    }

    /// <summary>A field.</summary>
    internal readonly ref struct Field(ReadOnlySpan<byte> key, ReadOnlySpan<byte> value)
    {
        internal ReadOnlySpan<byte> Key { get; } = key;
        internal ReadOnlySpan<byte> Value { get; } = value;
    }
}
