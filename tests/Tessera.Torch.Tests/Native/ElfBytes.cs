using System.Buffers.Binary;
using System.Text;

namespace Tessera.Tests.Native;

/// <summary>Writes shared libraries that hold nothing but their names.</summary>
internal static class ElfBytes
{
    private const long Address = 0x1000;

    internal static byte[] Of(string? soName, IEnumerable<string> needed, string? runPath = null)
    {
        using var strings = new MemoryStream();
        strings.WriteByte(0);
        long Name(string text)
        {
            var at = strings.Position;
            strings.Write(Encoding.UTF8.GetBytes(text + "\0"));
            return at;
        }
        List<(long Tag, long Value)> entries = [.. needed.Select(name => (1L, Name(name)))];
        if (soName is not null)
            entries.Add((14, Name(soName)));
        if (runPath is not null)
            entries.Add((29, Name(runPath)));
        const int headers = 64 + 2 * 56;
        var dynamic = (entries.Count + 2) * 16;
        entries.Add((5, Address + headers + dynamic));
        entries.Add((0, 0));
        var file = new byte[headers + dynamic + strings.Length];
        void Put(int at, long value) => BinaryPrimitives.WriteInt64LittleEndian(file.AsSpan(at), value);
        "\u007fELF\u0002\u0001\u0001"u8.CopyTo(file);
        Put(32, 64);
        BinaryPrimitives.WriteInt16LittleEndian(file.AsSpan(54), 56);
        BinaryPrimitives.WriteInt16LittleEndian(file.AsSpan(56), 2);
        Segment(64, kind: 1, offset: 0, file.Length);
        Segment(64 + 56, kind: 2, headers, dynamic);
        for (var i = 0; i < entries.Count; i++)
        {
            Put(headers + 16 * i, entries[i].Tag);
            Put(headers + 16 * i + 8, entries[i].Value);
        }
        strings.ToArray().CopyTo(file, headers + dynamic);
        return file;

        void Segment(int at, int kind, long offset, long bytes)
        {
            BinaryPrimitives.WriteInt32LittleEndian(file.AsSpan(at), kind);
            Put(at + 8, offset);
            Put(at + 16, Address + offset);
            Put(at + 32, bytes);
        }
    }
}
