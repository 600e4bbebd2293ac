using System.Buffers.Binary;
using System.IO.Compression;

namespace Tessera.Training.Tests;

public sealed class PngTests
{
    [Fact]
    public void Pixels_come_back_from_the_file()
    {
        byte[] pixels = [1, 2, 3, 250, 251, 252, 7, 8, 9, 10, 11, 12];
        var file = Png.Encode(pixels, 2, 2, 3);
        Assert.Equal([0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A], file[..8]);
        var length = BinaryPrimitives.ReadInt32BigEndian(file.AsSpan(33));
        using var zlib = new ZLibStream(new MemoryStream(file, 41, length), CompressionMode.Decompress);
        using var rows = new MemoryStream();
        zlib.CopyTo(rows);
        Assert.Equal([0, .. pixels[..6], 0, .. pixels[6..]], rows.ToArray());
    }

    [Fact]
    public void Indices_stand_with_their_palette()
    {
        byte[] indices = [0, 1, 1, 0, 1, 0];
        using var image = Image.Decode(Png.Encode(indices, 2, 3, [(10, 20, 30), (200, 100, 50)]));
        using var scope = new Scope();
        var (first, second) = (new float[] { 10 / 255f, 20 / 255f, 30 / 255f }, new float[] { 200 / 255f, 100 / 255f, 50 / 255f });
        var pixels = image.ToTensor();
        for (var i = 0; i < indices.Length; i++)
            Assert.Equal(indices[i] == 0 ? first : second, pixels.Select(1, i / 3).Select(1, i % 3).ToArray<float>());
    }

    [Fact]
    public void The_end_has_the_checksum_of_the_standard() =>
        Assert.Equal([0, 0, 0, 0, 0x49, 0x45, 0x4E, 0x44, 0xAE, 0x42, 0x60, 0x82], Png.Encode([0], 1, 1, 1)[^12..]);
}
