using System.IO.Hashing;
using System.Text;

namespace Tessera.Checkpoints;

/// <summary>
/// Writes a zip archive of uncompressed entries, the bytes of each beginning at a multiple of 64, as PyTorch does it.
/// </summary>
internal sealed class AlignedZipWriter(Stream stream)
{
    const int Alignment = 64,
        LocalLength = 30,
        Zip64ExtraLength = 20;
    const ushort PaddingId = 0x4246; // "FB"
    const uint Wide = uint.MaxValue;

    readonly List<(byte[] Name, uint Checksum, long Length, long Header)> entries = [];
    long position;

    /// <summary>Adds an entry whose length is known and whose bytes <paramref name="write"/> produces, twice when asked:
    /// once for the checksum, which precedes them, and once for the file.</summary>
    public void Add(string name, long length, Action<TensorBytes.SpanAction> write)
    {
        var crc = new Crc32();
        var counted = 0L;
        write(part =>
        {
            crc.Append(part);
            counted += part.Length;
        });
        var checksum = crc.GetCurrentHashAsUInt32();
        if (counted != length)
            throw new ArgumentException($"entry {name} must have {length} bytes, not {counted}", nameof(length));

        var nameBytes = Encoding.UTF8.GetBytes(name);
        var wide = length >= Wide;
        var header = position;
        var data = header + LocalLength + nameBytes.Length + (wide ? Zip64ExtraLength : 0) + 4;
        var padding = (int)((Alignment - data % Alignment) % Alignment);

        Write(w =>
        {
            w.Write(0x04034b50u);
            WriteCommon(w, checksum, wide ? Wide : (uint)length, nameBytes.Length, (wide ? Zip64ExtraLength : 0) + 4 + padding);
            w.Write(nameBytes);
            if (wide)
            {
                w.Write((ushort)1);
                w.Write((ushort)16);
                w.Write(length);
                w.Write(length);
            }
            w.Write(PaddingId);
            w.Write((ushort)padding);
            w.Write(Encoding.ASCII.GetBytes(new string('Z', padding)));
        });
        write(part =>
        {
            stream.Write(part);
            position += part.Length;
        });
        entries.Add((nameBytes, checksum, length, header));
    }

    /// <summary>Adds a small entry.</summary>
    public void Add(string name, byte[] bytes) => Add(name, bytes.Length, take => take(bytes));

    /// <summary>Writes the table of contents.</summary>
    public void Finish()
    {
        var start = position;
        foreach (var (name, checksum, length, header) in entries)
        {
            var wideLength = length >= Wide;
            var wideHeader = header >= Wide;
            var numbers = (wideLength ? 16 : 0) + (wideHeader ? 8 : 0);
            Write(w =>
            {
                w.Write(0x02014b50u);
                w.Write((ushort)45);
                WriteCommon(w, checksum, wideLength ? Wide : (uint)length, name.Length, numbers > 0 ? 4 + numbers : 0);
                w.Write((ushort)0); // comment
                w.Write((ushort)0); // disk
                w.Write((ushort)0); // internal attributes
                w.Write(0u); // external attributes
                w.Write(wideHeader ? Wide : (uint)header);
                w.Write(name);
                if (numbers == 0)
                    return;
                w.Write((ushort)1);
                w.Write((ushort)numbers);
                if (wideLength)
                {
                    w.Write(length);
                    w.Write(length);
                }
                if (wideHeader)
                    w.Write(header);
            });
        }
        WriteEnd(start, position - start);
    }

    void WriteEnd(long start, long length) =>
        Write(w =>
        {
            if (start >= Wide || length >= Wide || entries.Count >= ushort.MaxValue)
            {
                var end64 = position;
                w.Write(0x06064b50u);
                w.Write(44L);
                w.Write((ushort)45);
                w.Write((ushort)45);
                w.Write(0u);
                w.Write(0u);
                w.Write((long)entries.Count);
                w.Write((long)entries.Count);
                w.Write(length);
                w.Write(start);
                w.Write(0x07064b50u);
                w.Write(0u);
                w.Write(end64);
                w.Write(1u);
            }
            w.Write(0x06054b50u);
            w.Write(0u); // disks
            w.Write((ushort)Math.Min(entries.Count, ushort.MaxValue));
            w.Write((ushort)Math.Min(entries.Count, ushort.MaxValue));
            w.Write((uint)Math.Min(length, Wide));
            w.Write((uint)Math.Min(start, Wide));
            w.Write((ushort)0);
        });

    /// <summary>The common part of local and central headers: version, flags (UTF-8 names), method, date, checksum and lengths.</summary>
    static void WriteCommon(BinaryWriter w, uint checksum, uint length, int nameLength, int extraLength)
    {
        w.Write((ushort)45);
        w.Write((ushort)0x0800);
        w.Write((ushort)0);
        w.Write((ushort)0);
        w.Write((ushort)0x21); // 1 January 1980: files of equal content are equal
        w.Write(checksum);
        w.Write(length);
        w.Write(length);
        w.Write((ushort)nameLength);
        w.Write((ushort)extraLength);
    }

    void Write(Action<BinaryWriter> write)
    {
        using var buffer = new MemoryStream();
        using (var writer = new BinaryWriter(buffer, Encoding.UTF8, leaveOpen: true))
            write(writer);
        buffer.WriteTo(stream);
        position += buffer.Length;
    }
}
