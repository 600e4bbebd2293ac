using Tessera.Cli.Inputs;
using Tessera.Cli.Shell;
using Tessera.Testing;

namespace Tessera.Cli.Tests;

/// <summary>No picture takes the place of another.</summary>
public sealed class PictureNamesTests
{
    private static readonly string[] suffixes = [".png", "_overlay.png"];

    private static string[] Names(params string[] paths) => NamesOf([.. paths.Select(path => new GivenFile(path))]);

    private static string[] NamesOf(GivenFile[] files)
    {
        var names = PictureNames.Of(files, suffixes);
        return [.. files.Select(file => names.Of(new(file, new("", () => throw new NotSupportedException()))))];
    }

    [Fact]
    public void Files_of_different_names_keep_them() => Assert.Equal(["one", "two.x"], Names("/a/one.png", "/b/two.x.jpg"));

    [Fact]
    public void Files_of_one_name_in_several_folders_keep_the_folders()
    {
        Assert.Equal(["a/one", "b/one", "b/c/two"], Names("/data/a/one.png", "/data/b/one.jpg", "/data/b/c/two.png"));
        Assert.Equal(["data/one", "other/one"], Names("/data/one.png", "/other/one.png"));
    }

    [Fact]
    public void Files_that_differ_in_their_endings_keep_these()
    {
        Assert.Equal(["one.jpg", "one.png"], Names("/a/one.jpg", "/a/one.png"));
        Assert.Equal(["16.ppm", "16_overlay.ppm"], Names("/a/16.ppm", "/a/16_overlay.ppm"));
    }

    [Fact]
    public void A_file_that_is_given_twice_has_one_name() => Assert.Equal(["one", "one"], Names("/a/one.jpg", "/a/../a/one.jpg"));

    [Fact]
    public void Files_of_a_folder_keep_their_places_in_it() =>
        Assert.Equal(
            ["x/one", "y/one", "two"],
            NamesOf([new("/in/x/one.png", "x/one.png"), new("/in/y/one.png", "y/one.png"), new("/two.png")])
        );

    [Fact]
    public void Names_are_never_equal_whatever_is_given()
    {
        string[] parts = ["a", "b", "a.png", "a_overlay"];
        string[] endings = [".png", ".jpg", ".ppm", "", ".mp4"];
        var random = new Random(3);
        for (var round = 0; round < 500; round++)
        {
            GivenFile[] files =
            [
                .. Enumerable
                    .Range(0, random.Next(1, 9))
                    .Select(_ => $"/{Pick(parts)}/{Pick(parts)}/{Pick(parts)}{Pick(endings)}")
                    .Distinct()
                    .Select(path => new GivenFile(path)),
            ];
            var pictures = new List<string>();
            try
            {
                foreach (var (file, name) in files.Zip(NamesOf(files)))
                    pictures.AddRange(file.IsVideo ? [$"{name}/"] : suffixes.Select(suffix => name + suffix));
            }
            catch (UserException)
            {
                // Refused is not overwritten.
                continue;
            }
            Assert.Equal(pictures.Count, pictures.Distinct().Count());
        }

        string Pick(string[] of) => of[random.Next(of.Length)];
    }

    [Fact]
    public void Folders_are_searched_for_images_and_videos()
    {
        using var folder = new TempFolder();
        folder.Write("in/b/2.PNG", "");
        folder.Write("in/1.jpg", "");
        folder.Write("in/notes.txt", "");
        folder.Write("in/clip.mp4", "");
        var found = GivenFile.Of([folder["in"], folder["other.png"]]);
        Assert.Equal(["1.jpg", "b/2.PNG", "clip.mp4", null], found.Select(file => file.InFolder));
        Assert.Equal([false, false, true, false], found.Select(file => file.IsVideo));
        Directory.CreateDirectory(folder["empty"]);
        Assert.Contains(
            "there is no image in this folder",
            Assert.Throws<UserException>(() => GivenFile.Of([folder["empty"]])).Message,
            StringComparison.Ordinal
        );
    }

    [Fact]
    public void Images_are_numbered_by_a_file_by_their_names_or_in_their_order()
    {
        using var folder = new TempFolder();
        GivenFile[] named = [new("/x/000000000139.jpg"), new("/x/000000000285.jpg")];
        Assert.Equal([139L, 285], Numbers(named, null));
        GivenFile[] others = [new("/x/a.jpg"), new("/x/7.jpg")];
        Assert.Equal([1L, 2], Numbers(others, null));
        var json = folder.Write(
            "instances.json",
            """{ "images": [ { "id": 40, "file_name": "x/a.jpg" }, { "id": 3, "file_name": "7.jpg" } ] }"""
        );
        Assert.Equal([40L, 3], Numbers(others, json));
        Assert.Contains("it lists no image 000000000139.jpg", Refused(named, json), StringComparison.Ordinal);
        Assert.Contains("must be a COCO json", Refused(others, folder.Write("no.json", "[]")), StringComparison.Ordinal);
        Assert.Contains("there is no file", Refused(others, folder["none.json"]), StringComparison.Ordinal);

        static long[] Numbers(GivenFile[] files, string? ids)
        {
            var numbers = ImageNumbers.Of(files, ids);
            return [.. files.Select(file => numbers.Of(new(file, new("", () => throw new NotSupportedException()))))];
        }

        static string Refused(GivenFile[] files, string ids) => Assert.Throws<UserException>(() => ImageNumbers.Of(files, ids)).Message;
    }
}
