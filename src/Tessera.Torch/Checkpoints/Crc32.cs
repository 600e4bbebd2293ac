namespace Tessera.Checkpoints;

/// <summary>The checksum of zip entries (polynomial 0xEDB88320), eight bytes at a step.</summary>
internal static class Crc32
{
    static readonly uint[][] tables = Tables();

    /// <summary>Continues a checksum; begin with 0.</summary>
    public static uint Append(uint checksum, ReadOnlySpan<byte> bytes)
    {
        var c = ~checksum;
        var t = tables;
        for (; bytes.Length >= 8; bytes = bytes[8..])
        {
            var low = c ^ BitConverter.ToUInt32(bytes);
            var high = BitConverter.ToUInt32(bytes[4..]);
            c =
                t[7][low & 255]
                ^ t[6][(low >> 8) & 255]
                ^ t[5][(low >> 16) & 255]
                ^ t[4][low >> 24]
                ^ t[3][high & 255]
                ^ t[2][(high >> 8) & 255]
                ^ t[1][(high >> 16) & 255]
                ^ t[0][high >> 24];
        }
        foreach (var b in bytes)
            c = t[0][(c ^ b) & 255] ^ (c >> 8);
        return ~c;
    }

    static uint[][] Tables()
    {
        var result = new uint[8][];
        for (var k = 0; k < 8; k++)
        {
            result[k] = new uint[256];
            for (uint i = 0; i < 256; i++)
            {
                var c = k == 0 ? i : result[k - 1][i];
                if (k == 0)
                    for (var bit = 0; bit < 8; bit++)
                        c = (c & 1) != 0 ? (c >> 1) ^ 0xEDB88320 : c >> 1;
                else
                    c = (c >> 8) ^ result[0][c & 255];
                result[k][i] = c;
            }
        }
        return result;
    }
}
