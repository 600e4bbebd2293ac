using System.Diagnostics;
using Tessera.Data.Sets;
using Tessera.Testing;

namespace Tessera.Data.Tests;

public class ImageFolderTests
{
    private static readonly byte[] image = "P5 1 1 255\n7"u8.ToArray();

    private static TempFolder With(params string[] files)
    {
        var folder = new TempFolder();
        foreach (var file in files)
            folder.Write(file, image);
        return folder;
    }

    private static Dataset Open(TempFolder folder, string split = "train") => Datasets.Open("image_folder", split, folder.Path);

    private static string Refusal(TempFolder folder, string split = "train") =>
        Assert.Throws<DataException>(() => Open(folder, split)).Message;

    private static string[] Files(Dataset data) =>
        [.. Enumerable.Range(0, data.Count).Select(i => string.Join('/', data.SampleName(i).Split('/')[^2..]))];

    [Theory]
    [InlineData("val")]
    [InlineData("valid")]
    [InlineData("validation")]
    [InlineData("Valid")]
    public void Splits_are_known_by_all_their_names(string name)
    {
        using var folder = With("train/a/1.pgm", "train/b/2.pgm", $"{name}/a/3.pgm", $"{name}/b/4.pgm");
        Assert.Equal(["a/3.pgm", "b/4.pgm"], Files(Open(folder, "val")));
        Assert.Equal(["a/3.pgm", "b/4.pgm"], Files(Open(folder, name.ToLowerInvariant())));
        Assert.Equal(name.ToLowerInvariant(), Datasets.MeasuredSplit("image_folder", folder.Path));
        Assert.Contains("has no folder test: its splits are train, ", Refusal(folder, "test"), StringComparison.Ordinal);
    }

    [Fact]
    public void Test_is_measured_before_validation()
    {
        using var folder = With("train/a/1.pgm", "val/a/3.pgm", "test/a/4.pgm");
        Assert.Equal("test", Datasets.MeasuredSplit("image_folder", folder.Path));
        Assert.Equal(["train", "val", "test"], Datasets.Splits("image_folder", folder.Path));
    }

    [Fact]
    public void A_folder_without_splits_is_learned_from_and_never_measured_by_itself()
    {
        using var folder = With("a/1.pgm", "b/2.pgm");
        Assert.Equal(2, Open(folder).Count);
        Assert.Equal(2, Open(folder, "all").Count);
        Assert.Contains("has no split 'test'", Refusal(folder, "test"), StringComparison.Ordinal);
        Assert.Null(Datasets.MeasuredSplit("image_folder", folder.Path));
    }

    [Fact]
    public void A_class_called_like_a_split_is_refused_where_two_readings_are_possible()
    {
        using var folder = With("cat/1.pgm", "test/2.pgm");
        Assert.Contains("which is the name of a split, and cat", Refusal(folder), StringComparison.Ordinal);
        using var both = With("train/a/1.pgm", "val/a/1.pgm", "valid/a/1.pgm");
        Assert.Contains("are both there", Refusal(both), StringComparison.Ordinal);
    }

    [Fact]
    public void What_systems_leave_behind_is_no_class_and_no_image()
    {
        using var folder = With(
            "train/a/1.pgm",
            "train/a/._1.pgm",
            "train/a/.hidden/2.pgm",
            "train/.ipynb_checkpoints/3.pgm",
            "train/__MACOSX/4.pgm",
            "train/@eaDir/5.pgm",
            "train/b/6.pgm",
            "train/loose.pgm"
        );
        var data = Open(folder);
        Assert.Equal(["a", "b"], data.ClassNames);
        Assert.Equal(["a/1.pgm", "b/6.pgm"], Files(data));
        Assert.Contains("1 image lies in no folder of a class", Assert.Single(data.Remarks), StringComparison.Ordinal);
        Assert.Equal(data.Remarks, data.Part([0]).Remarks);
    }

    [Fact]
    public void Links_multiply_no_image_and_bring_none_into_another_class()
    {
        using var folder = With("train/a/1.pgm", "train/b/2.pgm", "train/b/deep/3.pgm", "test/a/4.pgm", "far/5.pgm");
        void Link(string name, string target) => File.CreateSymbolicLink(folder[name], target);
        Link("train/a/up", "..");
        Link("train/a/top", "../..");
        Link("train/a/other", "../b");
        Link("train/a/self", "self");
        Link("train/a/again", "../../far");
        Link("train/b/far", folder["far"]);
        Link("train/loop", "..");
        Link("train/a/lost.pgm", "nowhere.pgm");
        Link("train/a/circle.pgm", "circle.pgm");
        Link("train/a/kept.pgm", "../../far/5.pgm");
        var data = Open(folder);
        Assert.Equal(["a", "b"], data.ClassNames);
        // A folder outside is visited through the first link to it.
        Assert.Equal(["a/1.pgm", "a/kept.pgm", "again/5.pgm", "b/2.pgm", "deep/3.pgm"], Files(data));
        Assert.Equal(2, data.Remarks.Count);
        Assert.StartsWith("5 links to folders that are visited already were left out", data.Remarks[0], StringComparison.Ordinal);
        Assert.StartsWith("2 links that lead nowhere were left out", data.Remarks[1], StringComparison.Ordinal);
    }

    [Fact]
    public void Two_classes_that_are_one_folder_are_refused()
    {
        using var folder = With("train/a/1.pgm", "train/b/2.pgm");
        File.CreateSymbolicLink(folder["train/c"], "a");
        Assert.Contains("are the same folder", Refusal(folder), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("train/caf\\351", "mkdir")]
    [InlineData("train/a/caf\\351.pgm", "touch")]
    public void A_name_that_is_not_utf8_is_refused_with_the_reason(string name, string command)
    {
        using var folder = With("train/a/1.pgm", "train/b/2.pgm");
        Shell($"{command} \"$(printf '{name}')\"");
        Assert.Contains("not valid UTF-8", Refusal(folder), StringComparison.Ordinal);
        // Nothing here can delete it by that name.
        Shell("rm -r train");

        void Shell(string line)
        {
            using var process = Process.Start(new ProcessStartInfo("sh", ["-c", line]) { WorkingDirectory = folder.Path })!;
            process.WaitForExit();
            Assert.Equal(0, process.ExitCode);
        }
    }

    [Fact]
    public void A_class_without_images_may_be_measured_and_not_learned()
    {
        using var folder = With("train/a/1.pgm", "test/a/2.pgm");
        Directory.CreateDirectory(folder["train/b"]);
        Directory.CreateDirectory(folder["test/b"]);
        Assert.Contains("holds no image", Refusal(folder), StringComparison.Ordinal);
        Assert.Equal([1, 0], Open(folder, "test").Annotations.SamplesPerClass);
    }
}
