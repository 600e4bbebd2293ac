using Tessera.Data.Checks;
using Tessera.Data.Formats;
using Tessera.Data.Images;
using Tessera.Data.Sets;
using Tessera.Testing;

namespace Tessera.Data.Tests;

/// <summary>What a check says of label maps.</summary>
public sealed class MapCheckTests
{
    private static readonly string[] names = ["sky", "road", "tree"];

    // Folders SPLIT/N.png with the maps SPLIT/N.map, of three classes.
    private static readonly DatasetKind kind = new(
        "maps_to_check",
        "images with label maps, for tests",
        ["train", "val"],
        "maps_to_check",
        (split, root) =>
        {
            string[] images = [.. Directory.EnumerateFiles(Path.Combine(root!, split), "*.png").Order(StringComparer.Ordinal)];
            return new FileImages(
                "maps_to_check",
                split,
                images,
                new LabelMaps(names, [.. images.Select(path => Path.ChangeExtension(path, ".map"))], LabelRule.Plain(3), LabelFile.Read)
            );
        }
    )
    {
        SplitsIn = root => [.. Directory.EnumerateDirectories(root).Select(path => Path.GetFileName(path)!).Order(StringComparer.Ordinal)],
    };

    static MapCheckTests() => Datasets.Add(kind);

    private static int made;

    private static void Image(TempFolder folder, string name, int height = 2, int width = 3)
    {
        var value = Interlocked.Increment(ref made);
        folder.Write($"{name}.png", ImageBytes.Png(height, width, y => [.. Enumerable.Repeat((byte)(value + y), width)]));
    }

    private static void Sample(TempFolder folder, string name, ushort[] values, int height = 2, byte[]? palette = null)
    {
        Image(folder, name, 2, 3);
        folder.Write($"{name}.map", ImageBytes.Png(height, values.Length / height, palette is null ? 0 : 3, 8, values, palette));
    }

    private static CheckReport Check(TempFolder folder, CheckOptions? options = null) =>
        DatasetCheck.Run(OpenedSplits.Open(kind.Name, folder.Path), options);

    private static LabelMapsReport Maps(CheckReport report, string split = "train") => report.Splits.Single(own => own.Name == split).Maps!;

    [Fact]
    public void Pixels_and_images_of_each_class_are_counted()
    {
        using var folder = new TempFolder();
        Sample(folder, "train/1", [0, 0, 0, 1, 1, 255]);
        Sample(folder, "train/2", [0, 0, 0, 0, 0, 0]);
        Sample(folder, "val/3", [0, 1, 2, 255, 255, 255]);
        Sample(folder, "val/4", [255, 255, 255, 255, 255, 255]);
        var report = Check(folder);
        Assert.Equal([new("sky", 9, 2, 1), new("road", 2, 1, 0), new("tree", 0, 0, null)], Maps(report).Classes);
        Assert.Equal((2, 12L, 1L), (Maps(report).Read, Maps(report).Pixels, Maps(report).Ignored));
        Assert.Equal([2, 1, 0], report.Splits[0].Classes.Select(own => own.Samples!.Value));
        Assert.Equal(["'tree'"], report.Single(Severity.Warning, "1 class of 3 occurs in no image").Examples);
        Assert.Equal("train", report.Single(Severity.Remark, "8.33 % of the pixels are ignored").Split);
        Assert.Equal("val", report.Single(Severity.Warning, "75 % of the pixels are ignored").Split);
        Assert.Equal([folder["val/4.map"]], report.Single(Severity.Warning, "1 of 2 label maps has no pixel that counts").Examples);
        Assert.Equal(
            [$"{folder["train/2.map"]}: 'sky'"],
            report.Single(Severity.Remark, "1 of 2 label maps is of one class alone").Examples
        );
        report.Single(Severity.Warning, "2 classes have fewer than 10 images");
        report.IsSilentOn("no class", "cannot be read", "palettes", "several kinds", "as large", "format");
        Assert.False(report.HasProblems);
    }

    [Fact]
    public void Values_outside_of_the_classes_are_named_with_their_file_and_count()
    {
        using var folder = new TempFolder();
        Sample(folder, "train/1", [0, 1, 2, 0, 1, 2]);
        Sample(folder, "train/2", [0, 9, 9, 7, 7, 7]);
        Sample(folder, "train/3", [0, 11, 12, 13, 14, 15]);
        var report = Check(folder);
        var found = report.Single(Severity.Problem, "2 of 3 label maps hold values that are no class");
        Assert.Equal(
            [
                $"{folder["train/2.map"]}: 7 (3 pixels), 9 (2 pixels)",
                $"{folder["train/3.map"]}: 11 (1 pixel), 12 (1 pixel), 13 (1 pixel) and 2 other values",
            ],
            found.Examples
        );
        Assert.Equal(1, Maps(report).Foreign[0].Index);
        Assert.Equal([new("7", 3), new("9", 2)], Maps(report).Foreign[0].Values);
        Assert.Equal(5, Maps(report).Foreign[1].Different);
        report.IsSilentOn("count their", "of one class alone");
    }

    [Fact]
    public void Maps_that_count_from_one_are_told_from_others()
    {
        using var folder = new TempFolder();
        Sample(folder, "train/1", [1, 2, 3, 1, 2, 3]);
        Sample(folder, "train/2", [1, 1, 1, 255, 2, 2]);
        var report = Check(folder);
        report.Single(
            Severity.Problem,
            "no label is 0, and the only one that is no class is 3: the maps count their 3 classes from 1, and must count from 0"
        );
        Assert.True(Maps(report).CountsFromOne);
        Sample(folder, "train/3", [0, 1, 1, 2, 2, 2]);
        Assert.False(Maps(Check(folder)).CountsFromOne);
        Sample(folder, "train/3", [4, 1, 1, 2, 2, 2]);
        Assert.False(Maps(Check(folder)).CountsFromOne);
        // Without the last class nothing is wrong but that the first never occurs.
        Sample(folder, "train/1", [1, 2, 2, 1, 2, 2]);
        Sample(folder, "train/3", [1, 1, 1, 2, 2, 2]);
        Assert.False(Check(folder).HasProblems);
    }

    [Fact]
    public void Maps_of_another_size_in_lossy_formats_and_damaged_ones_are_problems()
    {
        using var folder = new TempFolder();
        Sample(folder, "train/1", [0, 1, 2, 0, 1, 2]);
        Sample(folder, "train/2", [0, 1, 2, 0, 1, 2], height: 3);
        Image(folder, "train/3");
        folder.Write("train/3.map", [0xFF, 0xD8, 0xFF, 0xE0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        Image(folder, "train/4");
        folder.Write("train/4.map", [.. ImageBytes.Png(2, 3, y => [0, 1, 2])[..60]]);
        Image(folder, "train/5");
        foreach (var quick in new[] { false, true })
        {
            var report = Check(folder, new(quick));
            Assert.Equal(
                [folder["train/3.map"]],
                report.Single(Severity.Problem, "1 of 5 label maps is stored in a format that changes values").Examples
            );
            var unreadable = report.Single(Severity.Problem, "2 of 5 label maps cannot be read");
            Assert.StartsWith($"{folder["train/4.map"]}: ", unreadable.Examples[0], StringComparison.Ordinal);
            Assert.StartsWith($"{folder["train/5.map"]}: ", unreadable.Examples[1], StringComparison.Ordinal);
            // The sizes of images are known once they are decoded.
            if (quick)
            {
                report.IsSilentOn("as large");
                Assert.Equal(0, Maps(report).Read);
            }
            else
            {
                Assert.Equal(
                    [$"{folder["train/2.map"]}: 2x3, and the image is 3x2"],
                    report.Single(Severity.Problem, "1 of 5 label maps is not as large as the image").Examples
                );
            }
        }
    }

    [Fact]
    public void Palettes_differ_where_a_value_that_occurs_has_two_colors()
    {
        using var folder = new TempFolder();
        byte[] palette = [0, 0, 0, 10, 20, 30, 40, 50, 60];
        Sample(folder, "train/1", [0, 1, 1, 0, 1, 1], palette: palette[..6]);
        // More colours, of which the first are the same; and another for a value that does not occur.
        Sample(folder, "train/2", [0, 1, 2, 0, 1, 2], palette: palette);
        Sample(folder, "train/3", [0, 0, 0, 2, 2, 2], palette: [.. palette[..3], 9, 9, 9, .. palette[6..]]);
        var report = Check(folder);
        report.IsSilentOn("palettes", "several kinds");
        Assert.Equal([new(3, folder["train/1.map"], null)], Maps(report).Palettes);
        Sample(folder, "train/4", [0, 1, 2, 0, 1, 2], palette: [.. palette[..3], 9, 9, 9, .. palette[6..]]);
        Sample(folder, "train/5", [0, 1, 2, 0, 1, 2]);
        report = Check(folder);
        Assert.Equal(
            [$"{folder["train/1.map"]} and 2 more", $"{folder["train/4.map"]}: 1 has another colour"],
            report.Single(Severity.Warning, "palettes of label maps differ, 2 in all").Examples
        );
        report.Single(Severity.Remark, "label maps are of several kinds: 1 of gray, 4 of palette");
        // Without pixels, all colours of a palette count.
        Assert.Equal(2, Maps(Check(folder, new(Quick: true))).Palettes.Count);
    }

    [Fact]
    public void A_file_in_two_splits_is_read_with_each_map_and_a_map_of_one_class_everywhere_is_a_warning()
    {
        using var folder = new TempFolder();
        Sample(folder, "train/1", [0, 0, 0, 0, 0, 0]);
        Sample(folder, "train/2", [1, 1, 1, 1, 1, 1]);
        File.Copy(folder["train/1.png"], folder.Write("val/3.png", ""), overwrite: true);
        folder.Write("val/3.map", ImageBytes.Png(2, 3, _ => [1, 1, 2]));
        var report = Check(folder);
        report.Single(Severity.Warning, "2 of 2 label maps are of one class alone");
        Assert.Equal([0, 4, 2], Maps(report, "val").Classes.Select(own => own.Pixels));
        var repeat = Assert.Single(report.Repeats);
        Assert.Equal(["sky 6", "road 4, tree 2"], repeat.Samples.Select(sample => sample.Label));
        Assert.True(repeat.LabelsDiffer);
    }

    [Fact]
    public void Maps_in_memory_are_checked_too()
    {
        var maps = new LabelMaps(names, 2, i => i == 0 ? new([0, 1, 2, 2, 9, 255], new(2, 3)) : new([0, 0, 0], new(2, 3)));
        var set = new MemoryImages("memory", "train", maps, new byte[12], 1, 2, 3);
        var scanned = new SampleScan(new(), null, default).Read([new("train", set)])[0];
        var report = new MapSummary(set, maps, scanned).Report();
        Assert.Equal([1L, 1, 2], report.Classes.Select(own => own.Pixels));
        Assert.Equal([new("9", 1)], Assert.Single(report.Foreign).Values);
        Assert.Equal("sample 1: its label map has 3 pixels and must have 2x3", Assert.Single(report.Unreadable).Problem);
    }

    [Fact]
    public void The_answer_is_the_same_for_any_number_of_threads()
    {
        using var folder = new TempFolder();
        var random = new Random(4);
        for (var i = 0; i < 60; i++)
            Sample(
                folder,
                $"train/{i:00}",
                [.. Enumerable.Range(0, 6).Select(_ => (ushort)random.Next(5))],
                random.Next(20) == 0 ? 3 : 2,
                random.Next(3) == 0 ? null : [.. Enumerable.Range(0, 18).Select(j => (byte)(j == 4 ? random.Next(2) : j))]
            );
        string[] answers =
        [
            .. new[] { 1, 2, 5 }.Select(threads => System.Text.Json.JsonSerializer.Serialize(Check(folder, new(Threads: threads)))),
        ];
        Assert.Equal(answers[0], answers[1]);
        Assert.Equal(answers[0], answers[2]);
        Assert.Contains("\"Foreign\":[{", answers[0], StringComparison.Ordinal);
    }
}
