using System.Text.Json;
using Tessera.Data.Checks;
using Tessera.Data.Sets;
using Tessera.Testing;
using static Tessera.Testing.Pnm;

namespace Tessera.Data.Tests;

public class DatasetCheckTests
{
    /// <summary>A folder with different images.</summary>
    private static TempFolder With(params string[] files)
    {
        var folder = new TempFolder();
        foreach (var (i, file) in files.Index())
            folder.Write(file, Grey(i));
        return folder;
    }

    private static CheckReport Check(TempFolder folder, string name = "image_folder", CheckOptions? options = null) =>
        DatasetCheck.Run(OpenedSplits.Open(name, folder.Path), options);

    private static SplitReport Split(CheckReport report, string name) => report.Splits.Single(split => split.Name == name);

    private static Finding Finding(CheckReport report, Severity severity, string text)
    {
        var found = report.Of(severity).Where(finding => finding.Text.Contains(text, StringComparison.Ordinal)).ToArray();
        Assert.True(found.Length == 1, $"'{text}' is there {found.Length} times: {string.Join("\n", report.Findings)}");
        return found[0];
    }

    private static void Silent(CheckReport report, string text) =>
        Assert.DoesNotContain(report.Findings, finding => finding.Text.Contains(text, StringComparison.Ordinal));

    [Fact]
    public void Classes_are_compared_with_those_of_the_training_split_by_name()
    {
        using var folder = With(
            "train/Ant/1.pgm",
            "train/bee/2.pgm",
            "train/cat/3.pgm",
            "test/dog/4.pgm",
            "test/ant/5.pgm",
            "val/bee/6.pgm"
        );
        var report = Check(folder);
        Assert.Equal(["train", "val", "test"], report.Splits.Select(split => split.Name));
        var match = Split(report, "test").Match!;
        Assert.Equal(["bee", "cat"], match.Missing);
        Assert.Equal(["dog"], match.Unknown);
        Assert.Equal([new SimilarClass("ant", "Ant")], match.Similar);
        Assert.Equal([new ClassReport("ant", 1, "Ant"), new ClassReport("dog", 1, null)], Split(report, "test").Classes);
        Assert.Equal(["'dog'"], Finding(report, Severity.Problem, "train does not have 1 class of this split").Examples);
        Assert.Equal(["'ant' is 'Ant'"], Finding(report, Severity.Warning, "taken for the same").Examples);
        Assert.Contains(report.Of(Severity.Warning), one => one is { Split: "test", Text: "2 classes of train have no samples here" });
        Assert.Contains(report.Of(Severity.Warning), one => one is { Split: "val", Examples: ["'Ant'", "'cat'"] });
        Assert.Null(Split(report, "train").Match);
    }

    [Fact]
    public void Classes_in_another_order_are_no_problem()
    {
        using var folder = new TempFolder();
        folder.Write("train/B/1.pgm", Grey(1));
        folder.Write("train/a/2.pgm", Grey(2));
        folder.Write("test/b/3.pgm", Grey(3));
        folder.Write("test/a/4.pgm", Grey(4));
        var report = Check(folder);
        Assert.True(Split(report, "test").Match!.IsReordered);
        Finding(report, Severity.Remark, "another order than in train");
        Assert.False(report.HasProblems);
    }

    [Fact]
    public void Balance_and_small_classes_are_told_of_the_training_split()
    {
        using var folder = With([
            .. Enumerable.Range(0, 30).Select(i => $"train/many/{i}.pgm"),
            "train/few/x.pgm",
            "train/few/y.pgm",
            "test/many/z.pgm",
            "test/few/z.pgm",
        ]);
        var report = Check(folder);
        Assert.Contains("15 times", Finding(report, Severity.Warning, "the largest class has").Text, StringComparison.Ordinal);
        Assert.Equal(["'few': 2"], Finding(report, Severity.Warning, "fewer than 10 samples").Examples);
        Silent(Check(folder, options: new(FewSamples: 2, Imbalance: 16)), "samples as the smallest");
    }

    [Fact]
    public void A_class_without_images_is_a_problem_and_the_rest_is_told_all_the_same()
    {
        using var folder = With("train/a/1.pgm", "train/a/2.pgm", "test/a/3.pgm", "test/unknown/4.pgm");
        Directory.CreateDirectory(folder["train/b"]);
        var report = Check(folder);
        Assert.Contains(report.Of(Severity.Problem), one => one.Text.Contains("train/b holds no image", StringComparison.Ordinal));
        Finding(report, Severity.Problem, "train does not have 1 class");
        Assert.Equal((2, 2), (Split(report, "train").Samples, Split(report, "test").Samples));
        Assert.Equal([new ClassReport("a", 2, "a"), new ClassReport("b", 0, "b")], Split(report, "train").Classes);
    }

    [Fact]
    public void The_same_image_in_two_splits_is_found_as_a_link_and_as_a_copy()
    {
        using var folder = With("train/a/1.pgm", "train/a/2.pgm", "train/b/3.pgm", "train/b/4.pgm", "test/a/5.pgm", "test/b/6.pgm");
        File.CreateSymbolicLink(folder["test/a/link.pgm"], folder["train/a/1.pgm"]);
        File.Copy(folder["train/b/3.pgm"], folder["test/b/copy.pgm"]);
        File.Copy(folder["train/a/2.pgm"], folder["train/a/twice.pgm"]);
        File.Copy(folder["train/b/4.pgm"], folder["train/a/other.pgm"]);
        var report = Check(folder);
        Assert.Equal(4, report.Repeats.Count);
        Assert.Equal(
            [(1, "train,test"), (2, "train"), (2, "train"), (2, "train,test")],
            report.Repeats.Select(repeat => (repeat.Files, string.Join(',', repeat.Splits)))
        );
        var shared = Finding(report, Severity.Warning, "2 images of test are in train too (1 of them as the same file)");
        Assert.Equal("train, test", shared.Split);
        Assert.Equal(2, shared.Count);
        Assert.Contains($"{folder["train/a/1.pgm"]} = {folder["test/a/link.pgm"]}", shared.Examples);
        Finding(report, Severity.Warning, "2 images are copies of others in this split");
        Assert.Contains(
            "'a'",
            Assert.Single(Finding(report, Severity.Warning, "1 image is there several times with different classes").Examples)
        );
        // Without hashing, links are found and copies are not.
        var quick = Check(folder, options: new(Quick: true));
        Assert.Equal([1], quick.Repeats.Select(repeat => repeat.Files));
        Finding(quick, Severity.Warning, "1 image of test is in train too (as the same file)");
    }

    [Fact]
    public void Every_unreadable_image_is_told_with_its_own_reason_by_any_number_of_threads()
    {
        using var folder = new TempFolder();
        for (var i = 0; i < 120; i++)
        {
            folder.Write($"train/a/{i:000}.pgm", Grey(i, 40, 40));
            folder.Write($"train/a/{i:000}_empty.png", []);
            folder.Write($"train/a/{i:000}_text.jpg", "no image");
            folder.Write($"train/a/{i:000}_cut.pgm", Grey(i, 40, 40)[..300]);
        }
        var reports = new[] { 1, 8 }.Select(threads => Check(folder, options: new(Threads: threads))).ToArray();
        Assert.Equal(JsonSerializer.Serialize(reports[0]), JsonSerializer.Serialize(reports[1]));
        var unreadable = Split(reports[1], "train").Unreadable;
        Assert.Equal(360, unreadable.Count);
        Assert.All(unreadable, image =>
        {
            if (image.Name.EndsWith("_empty.png", StringComparison.Ordinal))
                Assert.Equal("an empty file", image.Problem);
            else if (image.Name.EndsWith("_text.jpg", StringComparison.Ordinal))
                Assert.Contains("not a JPEG", image.Problem, StringComparison.Ordinal);
            else
                Assert.True(image.Problem.Length > 0 && !image.Problem.Contains("not a JPEG", StringComparison.Ordinal), image.Problem);
        });
        Finding(reports[1], Severity.Problem, "360 of 480 images cannot be read, more than 9 (data.unreadable_allowed) and than 1 %");
    }

    [Fact]
    public void A_split_of_which_nothing_can_be_read_is_a_problem()
    {
        using var folder = With("train/a/1.pgm", "train/b/2.pgm");
        folder.Write("test/a/1.png", []);
        folder.Write("test/b/2.png", []);
        var report = Check(folder);
        Assert.Equal("test", Finding(report, Severity.Problem, "no image can be read").Split);
        Assert.Null(Split(report, "test").Images);
        // Equal empty files are no copies of one image.
        Assert.Empty(report.Repeats);
        Assert.False(Check(folder, options: new(Quick: true)).HasProblems);
    }

    [Fact]
    public void Sizes_and_channels_are_those_of_the_files()
    {
        using var folder = new TempFolder();
        folder.Write("a/1.pgm", Grey(1, 3, 4));
        folder.Write("a/2.pgm", Grey(2, 3, 4));
        folder.Write("a/3.ppm", Colored(3, 20, 5));
        folder.Write("b/4.ppm", Colored(4, 2, 30));
        folder.Write("b/5.ppm", Colored(5, 30, 30));
        var sizes = Split(Check(folder), "all").Images!;
        Assert.Equal(
            [(3, 4), (2, 30), (30, 30), (20, 5), (2, 30)],
            new[] { sizes.Smallest, sizes.Median, sizes.Largest, sizes.Widest, sizes.Tallest }.Select(image => (image.Width, image.Height))
        );
        Assert.Equal(folder["a/1.pgm"], sizes.Smallest.Name);
        Assert.Equal((2, 3), (sizes.Grey, sizes.Colored));
        Assert.Equal(new SizeCount(4, 3, 2), sizes.Sizes[0]);
        Assert.Equal(4, sizes.Sizes.Count);
        Assert.Empty(sizes.Orientations);
    }

    [Fact]
    public void Marks_of_orientation_are_counted()
    {
        using var folder = new TempFolder();
        var jpeg = File.ReadAllBytes(Repository.Tests("samples", "images", "baseline.jpg"));
        folder.Write("train/a/plain.jpg", jpeg);
        folder.Write("train/a/turned.jpg", TurnedJpeg.Of(jpeg));
        var report = Check(folder);
        Assert.Equal([(6, 1)], Split(report, "train").Images!.Orientations.Select(entry => (entry.Key, entry.Value)));
        Finding(report, Severity.Warning, "1 image has a mark of the camera's orientation other than 1");
    }

    [Fact]
    public void A_suspicious_image_is_told_by_file()
    {
        using var folder = With("train/a/1.pgm", "train/b/2.pgm");
        folder.Write("train/b/3.pgm", Grey(0, 20, 20));
        Assert.Equal(
            [$"{folder["train/b/3.pgm"]}: all pixels have the same value (0)"],
            Finding(Check(folder), Severity.Warning, "1 image looks damaged").Examples
        );
    }

    [Fact]
    public void Odd_names_are_told_and_cannot_break_a_line()
    {
        using var folder = With(
            "train/a b/1.pgm",
            "train/A-b/2.pgm",
            "train/c /3.pgm",
            "train/d/new\nline.pgm",
            "train/d/x.pgm",
            "train/d/X.pgm"
        );
        var report = Check(folder);
        Assert.Equal(["'A-b' and 'a b'"], Finding(report, Severity.Warning, "2 class names differ by").Examples);
        Assert.Equal(["'c '"], Finding(report, Severity.Warning, "1 class name has a space").Examples);
        Assert.Contains(
            "new\\u000aline",
            Finding(report, Severity.Warning, "1 file name has control characters").Examples[0],
            StringComparison.Ordinal
        );
        Finding(report, Severity.Warning, "2 files differ by capitals alone");
        Assert.All(report.Findings.SelectMany(finding => finding.Examples.Append(finding.Text)), line =>
            Assert.DoesNotContain(line, char.IsControl)
        );
    }

    [Fact]
    public void Remarks_on_how_the_folder_was_read_are_passed_on()
    {
        using var folder = With("train/a/1.pgm", "train/b/2.pgm", "train/loose.pgm");
        Finding(Check(folder), Severity.Remark, "1 image lies in no folder of a class and was left out");
    }

    [Fact]
    public void Without_a_split_to_learn_from_or_to_measure_on_it_says_so()
    {
        using var measured = With("test/a/1.pgm", "test/b/2.pgm");
        Finding(Check(measured), Severity.Problem, "there is no split to learn from");
        using var learned = With("a/1.pgm", "b/2.pgm");
        Finding(Check(learned), Severity.Warning, "there is no split to measure a model on");
        Assert.Equal("all", Check(learned).Training);
    }

    [Fact]
    public void Tables_of_several_labels_may_lack_splits()
    {
        using var folder = With("1.pgm", "2.pgm", "3.pgm");
        folder.Write("train.csv", "image,labels\n1.pgm,cat|dog\n2.pgm,\n3.pgm,cat\n");
        folder.Write("classes.txt", "cat\ndog\nnever\n");
        var report = Check(folder, "multi_label");
        Assert.False(report.HasProblems);
        var train = Assert.Single(report.Splits);
        Assert.Equal([1, 1, 1], train.Labels!.Samples);
        Assert.Equal(1, train.Labels.Without);
        Assert.Equal(["'never'"], Finding(report, Severity.Warning, "1 class of 3 has no sample").Examples);
        Finding(report, Severity.Remark, "1 of 3 samples have no class");
    }

    [Fact]
    public void A_table_for_all_splits_has_those_that_its_rows_name()
    {
        using var folder = With("1.pgm", "2.pgm", "3.pgm");
        folder.Write("labels.csv", "image,labels,split\n1.pgm,cat,train\n2.pgm,cat,val\n3.pgm,dog,train\n");
        Assert.Equal(["train", "val"], Datasets.Splits("multi_label", folder.Path));
        Assert.Equal(["train", "val"], Check(folder, "multi_label").Splits.Select(split => split.Name));
    }

    [Fact]
    public void Texts_have_lengths_and_copies()
    {
        using var folder = new TempFolder();
        folder.Write("train.tsv", "sentence\tlabel\na fine film\t1\nbad\t0\n \t0\na fine film\t0\n");
        folder.Write("dev.tsv", "sentence\tlabel\nbad\t0\n");
        var report = Check(folder, "sst2");
        var lengths = Split(report, "train").Texts!;
        Assert.Equal((0, 3, 3, 7L), (lengths.Shortest, lengths.Median, lengths.Longest, lengths.Words));
        Assert.Equal(["sample 2"], Finding(report, Severity.Warning, "1 of 4 texts has no word").Examples);
        Assert.Equal(["train 0 'positive'; train 3 'negative'"], Finding(report, Severity.Warning, "with different classes").Examples);
        Assert.Equal(["train 1 = dev 0"], Finding(report, Severity.Warning, "1 text of dev is in train too").Examples);
    }

    [Fact]
    public void Parts_that_are_made_of_other_parts_share_nothing_by_mistake()
    {
        using var folder = new TempFolder();
        folder.Write("images.txt", "1 a/1.pgm\n2 b/2.pgm\n3 b/3.pgm\n");
        folder.Write("image_class_labels.txt", "1 1\n2 150\n3 150\n");
        folder.Write("train_test_split.txt", "1 1\n2 1\n3 0\n");
        folder.Write("classes.txt", string.Concat(Enumerable.Range(1, 200).Select(i => $"{i} class {i}\n")));
        folder.Write("images/a/1.pgm", Grey(1));
        folder.Write("images/b/2.pgm", Grey(2));
        folder.Write("images/b/3.pgm", Grey(3));
        var report = Check(folder, "cub200");
        Assert.Equal(4, report.Splits.Count);
        Assert.Empty(report.Repeats);
        Assert.Equal("test", Finding(report, Severity.Warning, "no samples here").Split);
        folder.Write("images/b/3.pgm", Grey(2));
        Assert.Equal(["train", "test"], Assert.Single(Check(folder, "cub200").Repeats).Splits);
    }

    [Fact]
    public void It_stops_when_it_is_told_to()
    {
        using var folder = With("train/a/1.pgm", "train/b/2.pgm");
        Assert.Throws<OperationCanceledException>(() =>
            DatasetCheck.Run(OpenedSplits.Open("image_folder", folder.Path), stop: new CancellationToken(canceled: true))
        );
    }

    [Fact]
    public void Data_that_cannot_be_opened_at_all_is_an_error()
    {
        using var folder = new TempFolder();
        Assert.Contains(
            "tessera data get trec",
            Assert.Throws<DataException>(() => OpenedSplits.Open("trec", folder.Path)).Message,
            StringComparison.Ordinal
        );
    }
}
