using System.Buffers.Binary;
using System.IO.Compression;
using System.Text;

namespace Tessera.Training.Drawing;

/// <summary>Pictures as PNG.</summary>
internal static class Png
{
    // Kinds of pixels, as the format numbers them.
    private const byte Gray = 0,
        Color = 2,
        Indexed = 3;

    /// <summary>An image of 8 bits per channel.</summary>
    /// <param name="pixels">Row by row, [H, W, C].</param>
    /// <param name="height">H.</param>
    /// <param name="width">W.</param>
    /// <param name="channels">1 for grey, 3 for colour.</param>
    internal static byte[] Encode(ReadOnlySpan<byte> pixels, int height, int width, int channels)
    {
        if (channels is not (1 or 3))
            throw new ArgumentException($"channels must be 1 or 3, not {channels}", nameof(channels));
        return Encode(pixels, height, width, channels, channels == 1 ? Gray : Color, [], CompressionLevel.SmallestSize);
    }

    /// <summary>An image of indices into a palette.</summary>
    /// <param name="indices">Row by row, [H, W].</param>
    /// <param name="height">H.</param>
    /// <param name="width">W.</param>
    /// <param name="palette">The colour of each index, up to 256 of them.</param>
    internal static byte[] Encode(ReadOnlySpan<byte> indices, int height, int width, IReadOnlyList<(byte R, byte G, byte B)> palette) =>
        Encode(
            indices,
            height,
            width,
            1,
            Indexed,
            [.. palette.SelectMany(color => (byte[])[color.R, color.G, color.B])],
            // Large areas of one value pack well and fast.
            CompressionLevel.Optimal
        );

    private static byte[] Encode(
        ReadOnlySpan<byte> values,
        int height,
        int width,
        int bytes,
        byte kind,
        ReadOnlySpan<byte> palette,
        CompressionLevel level
    )
    {
        using var file = new MemoryStream();
        file.Write([0x89, (byte)'P', (byte)'N', (byte)'G', 0x0D, 0x0A, 0x1A, 0x0A]);
        Span<byte> header = stackalloc byte[13];
        BinaryPrimitives.WriteInt32BigEndian(header, width);
        BinaryPrimitives.WriteInt32BigEndian(header[4..], height);
        header[8] = 8;
        header[9] = kind;
        Chunk(file, "IHDR", header);
        if (!palette.IsEmpty)
            Chunk(file, "PLTE", palette);
        using var packed = new MemoryStream();
        using (var zlib = new ZLibStream(packed, level, leaveOpen: true))
            for (var y = 0; y < height; y++)
            {
                // Each row begins with its filter: none.
                zlib.WriteByte(0);
                zlib.Write(values.Slice(y * width * bytes, width * bytes));
            }
        Chunk(file, "IDAT", packed.ToArray());
        Chunk(file, "IEND", []);
        return file.ToArray();
    }

    /// <summary>As the source of an img element.</summary>
    internal static string DataUri(ReadOnlySpan<byte> pixels, int height, int width, int channels) =>
        DataUri(Encode(pixels, height, width, channels));

    /// <summary>A file as the source of an img element.</summary>
    internal static string DataUri(byte[] png) => $"data:image/png;base64,{Convert.ToBase64String(png)}";

    private static void Chunk(MemoryStream file, string type, ReadOnlySpan<byte> content)
    {
        Span<byte> number = stackalloc byte[4];
        BinaryPrimitives.WriteInt32BigEndian(number, content.Length);
        file.Write(number);
        byte[] body = [.. Encoding.ASCII.GetBytes(type), .. content];
        file.Write(body);
        BinaryPrimitives.WriteUInt32BigEndian(number, Checksum(body));
        file.Write(number);
    }

    // CRC-32 bit by bit, over what was packed: packing takes longer.
    private static uint Checksum(ReadOnlySpan<byte> bytes)
    {
        var sum = uint.MaxValue;
        foreach (var value in bytes)
        {
            sum ^= value;
            for (var bit = 0; bit < 8; bit++)
                sum = (sum & 1) != 0 ? (sum >> 1) ^ 0xEDB88320 : sum >> 1;
        }
        return ~sum;
    }
}
