using System.Collections.Concurrent;
using Tessera.Data.Imaging;
using Tessera.Testing;

namespace Tessera.Data.Tests;

/// <summary>The messages of decoders, which libvips keeps for all threads in one place.</summary>
public class ImageMessageTests
{
    private static byte[] Sample(string name) => File.ReadAllBytes(Repository.Tests("samples", "images", name));

    [Fact]
    public void Each_message_belongs_to_its_file_when_many_threads_decode()
    {
        var jpeg = Sample("baseline.jpg");
        var (png, webp, tiff) = (Sample("colour.png"), Sample("colour.webp"), Sample("packed.tif"));
        byte[] fax = [.. Enumerable.Repeat((byte)0xFF, 6), 0, 0, 0, 0, 0, 0];
        byte[][] files =
        [
            [.. jpeg[..(jpeg.Length / 2)], 0xFF, 0xD9],
            jpeg[..(jpeg.Length / 2)],
            png[..(png.Length / 2)],
            webp[..(webp.Length / 2)],
            tiff[..(tiff.Length / 2)],
            [.. "II*\0"u8, 200, 0, 0, 0],
            ImageBytes.Tiff(64, 4000, fax, [(258, [1]), (259, [4]), (262, [0]), (277, [1])]),
            // Good ones, with and without a remark.
            jpeg,
            [.. jpeg[..^2], 0, 0, 0, .. jpeg[^2..]],
            png,
        ];
        string Ask(byte[] file)
        {
            try
            {
                using var image = ImageFile.Open("file", file);
                image.Decode(new Raster());
                return "";
            }
            catch (UnreadableImageException error)
            {
                return error.Problem;
            }
        }

        string[] alone = [.. files.Select(Ask)];
        Assert.Equal([true, true, true, true, true, true, true, false, false, false], alone.Select(text => text.Length > 0));
        Assert.All(alone, text => Assert.InRange(text.Length, 0, 200));
        string[] formats = ["JPEG", "JPEG", "PNG", "WebP", "TIFF", "TIFF", "TIFF"];
        foreach (var (text, name) in alone.Zip(formats))
            Assert.Contains(name, text, StringComparison.Ordinal);
        var wrong = new ConcurrentBag<string>();
        Thread[] threads =
        [
            .. Enumerable
                .Range(0, 4)
                .Select(number => new Thread(() =>
                {
                    for (var i = 0; i < 400; i++)
                    {
                        var which = (i * 7 + number * 3) % files.Length;
                        if (Ask(files[which]) is var text && text != alone[which])
                            wrong.Add($"{alone[which]} | {text}");
                    }
                })),
        ];
        foreach (var thread in threads)
            thread.Start();
        foreach (var thread in threads)
            thread.Join();
        Assert.True(wrong.IsEmpty, string.Join("\n", wrong.Take(5)));
    }

    [Fact]
    public void Long_messages_are_shortened()
    {
        var text = VipsRemarks.Text([new string('a', 100), new string('b', 100)]);
        Assert.Equal(new string('a', 100), text);
        Assert.Equal(163, VipsRemarks.Text([new string('a', 500)]).Length);
        Assert.Equal("one; two", VipsRemarks.Text(["one", "two"]));
    }
}
