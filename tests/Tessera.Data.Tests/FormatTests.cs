using System.Buffers.Binary;
using System.IO.Compression;
using Tessera.Data.Formats;
using Tessera.Testing;

namespace Tessera.Data.Tests;

public class FormatTests
{
    private static byte[] IdxFile(byte dimensions, int[] shape, byte[] values)
    {
        var result = new byte[4 + 4 * shape.Length + values.Length];
        (result[2], result[3]) = (8, dimensions);
        for (var i = 0; i < shape.Length; i++)
            BinaryPrimitives.WriteInt32BigEndian(result.AsSpan(4 + 4 * i), shape[i]);
        values.CopyTo(result, 4 + 4 * shape.Length);
        return result;
    }

    private static byte[] Gzip(byte[] content)
    {
        using var memory = new MemoryStream();
        using (var stream = new GZipStream(memory, CompressionLevel.Fastest))
            stream.Write(content);
        return memory.ToArray();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Idx_is_read_with_and_without_gzip(bool compressed)
    {
        using var folder = new TempFolder();
        var content = IdxFile(3, [2, 1, 3], [1, 2, 3, 4, 5, 6]);
        var (shape, values) = Idx.Read(folder.Write("x", compressed ? Gzip(content) : content), 3);
        Assert.Equal([2, 1, 3], shape);
        Assert.Equal([1, 2, 3, 4, 5, 6], values);
    }

    [Fact]
    public void Damaged_idx_files_name_file_and_byte()
    {
        using var folder = new TempFolder();
        var good = IdxFile(1, [4], [1, 2, 3, 4]);
        void Rejected(byte[] content, string expected, long? offset)
        {
            var error = Assert.Throws<DataFormatException>(() => Idx.Read(folder.Write("labels", content), 1));
            Assert.Contains(expected, error.Message, StringComparison.Ordinal);
            Assert.Equal(offset, error.Offset);
        }

        Rejected(good[..^1], "cut off", 11);
        Rejected([.. good, 0], "bytes after", 12);
        Rejected([1, .. good[1..]], "two zero bytes", 0);
        Rejected([0, 0, 13, .. good[3..]], "0x0D", 2);
        Rejected([0, 0, 8, 3, .. good[4..]], "3 dimensions", 3);
        Rejected([0, 0, 8, 1, 0xFF, 0xFF, 0xFF, 0xFF], "too large", 4);
        var bomb = Gzip(IdxFile(1, [2_000_000_000], []));
        Rejected(bomb, "announced", bomb.Length);
        Rejected([], "cut off", 0);
    }

    [Fact]
    public void Cifar_records_are_split_into_labels_and_planes()
    {
        using var folder = new TempFolder();
        var content = new byte[2 * (2 + CifarBinary.ImageSize)];
        (content[0], content[1], content[2]) = (19, 99, 7);
        (content[2 + CifarBinary.ImageSize], content[3 + CifarBinary.ImageSize]) = (1, 2);
        var (labels, pixels) = CifarBinary.Read([folder.Write("train.bin", content)], 20, 100);
        Assert.Equal([19, 1], labels[0]);
        Assert.Equal([99, 2], labels[1]);
        Assert.Equal(7, pixels[0]);
        Assert.Equal(2 * CifarBinary.ImageSize, pixels.Length);
    }

    [Fact]
    public void Damaged_cifar_files_name_file_and_byte()
    {
        using var folder = new TempFolder();
        var content = new byte[1 + CifarBinary.ImageSize];
        Assert.Contains(
            "cut off",
            Assert.Throws<DataFormatException>(() => CifarBinary.Read([folder.Write("a", content[..^5])], 10)).Message,
            StringComparison.Ordinal
        );
        content[0] = 10;
        var error = Assert.Throws<DataFormatException>(() => CifarBinary.Read([folder.Write("a", content)], 10));
        Assert.Equal(0, error.Offset);
        Assert.Contains("label 10", error.Message, StringComparison.Ordinal);
    }
}
