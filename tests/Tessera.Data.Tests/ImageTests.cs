using Tessera.Data.Imaging;
using Tessera.Testing;

namespace Tessera.Data.Tests;

/// <summary>Images that a program has, from files, streams and bytes.</summary>
public sealed class ImageTests : IDisposable
{
    private readonly TempFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void The_pixels_are_those_of_the_file_in_0_to_1()
    {
        using var scope = new Scope();
        using var image = Image.Decode(Pnm.Pixels(2, 1, 0, 51, 102, 153, 204, 255));
        Assert.Equal((1, 2, "image"), (image.Height, image.Width, image.Name));
        var values = image.ToTensor();
        Assert.Equal([3, 1, 2], values.Shape);
        Assert.Equal([0, 153 / 255f, 51 / 255f, 204 / 255f, 102 / 255f, 1], values.ToArray<float>());
        using var grey = Image.Decode(Pnm.Grey(51, 1, 1));
        Assert.Equal([51 / 255f, 51 / 255f, 51 / 255f], grey.ToTensor().ToArray<float>());
    }

    [Fact]
    public void Files_streams_and_bytes_give_the_same()
    {
        using var scope = new Scope();
        foreach (var path in Directory.GetFiles(Repository.Tests("samples", "images")))
        {
            using var byPath = Image.Open(path);
            using var stream = File.OpenRead(path);
            using var byStream = Image.Open(stream);
            using var byBytes = Image.Decode(File.ReadAllBytes(path));
            var expected = new Raster();
            ImageDecoder.Decode(path, expected, orient: true);
            Assert.Equal((expected.Height, expected.Width), (byPath.Height, byPath.Width));
            Assert.Equal((path, path, "image"), (byPath.Name, byStream.Name, byBytes.Name));
            Assert.Equal([.. expected.Values.ToArray().Select(value => value / 255f)], byPath.ToTensor().ToArray<float>());
            Near.Identical(byPath.ToTensor(), byStream.ToTensor());
            Near.Identical(byPath.ToTensor(), byBytes.ToTensor());
        }
    }

    [Fact]
    public void A_stream_is_read_from_where_it_stands_and_stays_open()
    {
        using var scope = new Scope();
        using var stream = new MemoryStream([1, 2, 3, .. Pnm.Pixels(1, 1, 255, 0, 0)]);
        stream.Position = 3;
        using var image = Image.Open(stream);
        Assert.Equal([1f, 0, 0], image.ToTensor().ToArray<float>());
        Assert.True(stream.CanRead);
    }

    [Fact]
    public void A_camera_s_mark_of_orientation_is_followed()
    {
        using var scope = new Scope();
        // Three columns and two rows that are to be turned by a quarter.
        var file = ImageBytes.Tiff(3, 2, [1, 2, 3, 4, 5, 6], [(258, [8]), (259, [1]), (262, [1]), (274, [6]), (277, [1])]);
        using var image = Image.Decode(file);
        Assert.Equal((3, 2), (image.Height, image.Width));
        Assert.Equal([4, 1, 5, 2, 6, 3], image.ToTensor()[0].Reshape(-1).ToArray<float>().Select(value => (int)Math.Round(value * 255)));
    }

    [Fact]
    public void What_is_no_image_is_refused_as_in_a_data_set()
    {
        UnreadableImageException Refused(Action open) => Assert.Throws<UnreadableImageException>(open);
        Assert.Contains("does not exist", Refused(() => Image.Open(folder["none.png"])).Message, StringComparison.Ordinal);
        Assert.Equal("an empty file", Refused(() => Image.Open(folder.Write("empty.png", ""))).Problem);
        Assert.StartsWith("not a JPEG, PNG", Refused(() => Image.Decode("text"u8)).Problem, StringComparison.Ordinal);
        Assert.Equal("an empty file", Refused(() => Image.Open(new MemoryStream())).Problem);
        Assert.Contains(
            "2x2 pixels: more than 3",
            Refused(() => Image.Decode(Pnm.Colored(0), maxPixels: 3)).Message,
            StringComparison.Ordinal
        );
        var cut = File.ReadAllBytes(Repository.Tests("samples", "images", "baseline.jpg"))[..^400];
        Refused(() =>
        {
            using var image = Image.Decode(cut);
            image.ToTensor();
        });
    }

    [Fact]
    public void Threads_may_share_one()
    {
        using var image = Image.Open(Repository.Tests("samples", "images", "progressive.jpg"));
        byte[] expected;
        using (new Scope())
            expected = image.ToTensor().ToBytes();
        Parallel.For(0, 16, _ =>
        {
            using var scope = new Scope();
            Assert.Equal(expected, image.ToTensor().ToBytes());
        });
    }

    [Fact]
    public void One_that_was_disposed_of_says_so()
    {
        var image = Image.Decode(Pnm.Pixels(1, 1, 1, 2, 3));
        image.Dispose();
        Assert.Throws<ObjectDisposedException>(image.ToTensor);
    }
}
