using Tessera.Data.Imaging;
using Tessera.Testing;

namespace Tessera.Data.Tests;

public sealed class SuspiciousImagesTests : IDisposable
{
    private readonly TempFolder folder = new();

    public void Dispose() => folder.Dispose();

    private IReadOnlyList<string> Find(byte[] file) => SuspiciousImages.Find(folder.Write("image", file));

    [Fact]
    public void Nothing_is_suspicious_of_usual_images()
    {
        foreach (var path in Directory.GetFiles(Repository.Tests("samples", "images")))
            // One of them is.
            Assert.Equal(
                Path.GetFileName(path) == "grey16.png" ? ["all pixels have the same value (4660)"] : [],
                SuspiciousImages.Find(path)
            );
        Assert.Empty(SuspiciousImages.Find(Repository.Tests("samples", "scene", "scene.jpg")));
    }

    [Fact]
    public void One_colour_all_over_or_in_the_lower_part_is_found()
    {
        Assert.Equal(["all pixels have the same value (4660)"], Find(ImageBytes.Png(2, 2, _ => [0x12, 0x34, 0x12, 0x34], depth: 16)));
        Assert.Equal(["all pixels have the same value (7)"], Find(Pnm.Grey(7, 4, 4)));
        Assert.Empty(Find(Pnm.Grey(7)));
        Assert.Equal(
            ["the lowest 30 of 100 rows have one colour (128)"],
            Find(ImageBytes.Png(100, 4, y => y < 70 ? [1, 2, 3, 4] : [128, 128, 128, 128]))
        );
        Assert.Empty(Find(ImageBytes.Png(100, 4, y => y < 80 ? [1, 2, 3, 4] : [128, 128, 128, 128])));
    }

    [Fact]
    public void Values_of_16_bits_that_become_black_are_found() =>
        Assert.Equal(
            ["16 bits per value, and none is above 200: only the upper 8 bits are used, which are 0"],
            Find(ImageBytes.Png(2, 2, y => [0, (byte)(100 * y + 100), 0, 3], depth: 16))
        );

    [Fact]
    public void Zeros_and_bytes_that_are_skipped_are_found()
    {
        var jpeg = File.ReadAllBytes(Repository.Tests("samples", "images", "baseline.jpg"));
        Assert.Equal([$"the last 64 of {jpeg.Length + 64} bytes are 0"], Find([.. jpeg, .. new byte[64]]));
        var table = jpeg.AsSpan().IndexOf([(byte)0xFF, (byte)0xDB]);
        Assert.Equal(["3 bytes of the header belong to no segment"], Find([.. jpeg[..table], 1, 2, 3, .. jpeg[table..]]));
        var version = jpeg.AsSpan().IndexOf("JFIF\0"u8) + 5;
        byte[] newer = [.. jpeg];
        newer[version] = 3;
        Assert.Equal(["the decoder remarks: Warning: unknown JFIF revision number 3.01"], Find(newer));
        Assert.Throws<UnreadableImageException>(() => Find(jpeg[..(jpeg.Length / 2)]));
    }
}
