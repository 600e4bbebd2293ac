using System.Buffers.Binary;
using System.IO.Compression;

namespace Tessera.Data.Formats;

/// <summary>The IDX format of the MNIST family: a big-endian header, then unsigned bytes; compressed by gzip or not.</summary>
internal static class Idx
{
    // Deflate cannot shrink more than this: a header that promises more than the file can hold is found before memory is asked for.
    private const long LargestRatio = 1032;

    /// <summary>Reads an array of bytes.</summary>
    /// <param name="path">The file; gzip is recognised by its first bytes.</param>
    /// <param name="dimensions">Dimensions that it must have: 3 for images, 1 for labels.</param>
    /// <returns>Sizes of the dimensions and the values in row-major order.</returns>
    /// <exception cref="DataFormatException">Not such a file, cut off, or longer than its header says.</exception>
    public static (int[] Shape, byte[] Values) Read(string path, int dimensions)
    {
        using var file = DataFiles.Open(path);
        Span<byte> start = stackalloc byte[2];
        var compressed = file.ReadAtLeast(start, 2, throwOnEndOfStream: false) == 2 && start is [0x1F, 0x8B];
        file.Position = 0;
        using Stream content = compressed ? new GZipStream(file, CompressionMode.Decompress) : file;
        try
        {
            var header = new byte[4 + 4 * dimensions];
            Fill(path, content, header, 0);
            if (header[0] != 0 || header[1] != 0)
                throw new DataFormatException(path, 0, "an IDX file starts with two zero bytes");
            if (header[2] != 8)
                throw new DataFormatException(path, 2, $"element type 0x{header[2]:X2}, and it must be 0x08 (unsigned bytes)");
            if (header[3] != dimensions)
                throw new DataFormatException(path, 3, $"{header[3]} dimensions, and there must be {dimensions}");
            var shape = new int[dimensions];
            var size = 1L;
            for (var i = 0; i < dimensions; i++)
            {
                var value = BinaryPrimitives.ReadUInt32BigEndian(header.AsSpan(4 + 4 * i));
                if (value > int.MaxValue || (size *= value) > Array.MaxLength)
                    throw new DataFormatException(path, 4 + 4 * i, $"dimension {i} is {value}: too large");
                shape[i] = (int)value;
            }
            var available = compressed ? file.Length * LargestRatio : file.Length - header.Length;
            if (size > available)
                throw new DataFormatException(
                    path,
                    file.Length,
                    $"cut off: {string.Join(" x ", shape)} values announced, "
                        + (compressed ? "more than the file can hold" : $"{available} there")
                );
            var values = GC.AllocateUninitializedArray<byte>((int)size);
            Fill(path, content, values, header.Length);
            if (content.ReadByte() >= 0)
                throw new DataFormatException(path, header.Length + size, $"bytes after the {string.Join(" x ", shape)} values announced");
            return (shape, values);
        }
        catch (Exception error) when (error is InvalidDataException or IOException)
        {
            throw new DataFormatException(path, null, $"damaged gzip stream: {error.Message}", error);
        }
    }

    private static void Fill(string path, Stream content, byte[] target, long offset)
    {
        var read = content.ReadAtLeast(target, target.Length, throwOnEndOfStream: false);
        if (read < target.Length)
            throw new DataFormatException(path, offset + read, $"cut off: {target.Length - read} bytes are missing");
    }
}
