using Tessera.Data.Checks;
using Tessera.Data.Loading;
using Tessera.Data.Sets;
using Tessera.Data.Transforms;
using Tessera.Testing;

namespace Tessera.Data.Tests;

/// <summary>Pictures without labels: folders of any depth, folders of splits, lists.</summary>
public class PicturesTests
{
    private static readonly byte[] image = "P5 1 1 255\n7"u8.ToArray();

    private static TempFolder With(params string[] files)
    {
        var folder = new TempFolder();
        foreach (var file in files)
            folder.Write(file, image);
        return folder;
    }

    private static Dataset Open(TempFolder folder, string split = "train") => Datasets.Open("pictures", split, folder.Path);

    private static string Refusal(TempFolder folder, string split = "train") =>
        Assert.ThrowsAny<DataException>(() => Open(folder, split)).Message;

    private static string[] Files(TempFolder folder, Dataset data) =>
        [.. Enumerable.Range(0, data.Count).Select(i => Path.GetRelativePath(folder.Path, data.SampleName(i)))];

    [Fact]
    public void Pictures_of_any_depth_are_one_set_without_classes()
    {
        using var folder = With("b.pgm", "a.PGM", "sea/2.pgm", "sea/deep/1.pgm", "alps/3.pgm", ".hidden/4.pgm");
        var data = Open(folder);
        Assert.Equal(["a.PGM", "b.pgm", "alps/3.pgm", "sea/2.pgm", "sea/deep/1.pgm"], Files(folder, data));
        Assert.Equal(Files(folder, data), Files(folder, Open(folder, "all")));
        Assert.IsType<Unlabelled>(data.Annotations);
        Assert.Empty(data.ClassNames);
        Assert.Empty(data.Remarks);
        Assert.Equal(["all"], Datasets.Splits("pictures", folder.Path));
        Assert.Null(Datasets.MeasuredSplit("pictures", folder.Path));
        Assert.Contains("has no split 'test'", Refusal(folder, "test"), StringComparison.Ordinal);
        using var scope = new Scope();
        var batch = new Loader(
            (LoadableDataset)data,
            Pipeline.OfViews([
                [new RandomHorizontalFlip()],
                [new RandomHorizontalFlip()],
            ]),
            new(5)
        ).Epoch(0).Single();
        Assert.IsType<NoTargets>(batch.Targets);
        Assert.Equal(2, batch.Views.Count);
    }

    [Fact]
    public void Files_of_other_endings_are_counted_and_said()
    {
        using var folder = With("1.pgm", "x/2.HEIC", "x/3.heic", "notes");
        Assert.Equal(["3 files were left out, since their endings are not that of an image: none (1), .heic (2)"], Open(folder).Remarks);
    }

    [Fact]
    public void Folders_of_splits_divide_and_what_lies_beside_them_is_said()
    {
        using var folder = With("Train/x/1.pgm", "Train/2.pgm", "val/3.pgm", "more/4.pgm", "5.pgm");
        Assert.Equal(["Train/2.pgm", "Train/x/1.pgm"], Files(folder, Open(folder)));
        Assert.Equal(["val/3.pgm"], Files(folder, Open(folder, "validation")));
        Assert.Equal(["train", "val"], Datasets.Splits("pictures", folder.Path));
        Assert.Equal("val", Datasets.MeasuredSplit("pictures", folder.Path));
        Assert.Equal([$"{folder["more"]} and 1 more lie beside the folders of splits and were left out"], Open(folder).Remarks);
        Assert.Contains("has no split 'all'", Refusal(folder, "all"), StringComparison.Ordinal);
    }

    [Fact]
    public void A_folder_called_like_a_split_is_refused_where_it_may_be_a_subject()
    {
        using var folder = With("test/1.pgm", "sea/2.pgm");
        Assert.Contains("test, which is the name of a split, and sea", Refusal(folder), StringComparison.Ordinal);
        using var loose = With("test/1.pgm", "2.pgm");
        Assert.Contains("test, which is the name of a split, and 2.pgm", Refusal(loose), StringComparison.Ordinal);
    }

    [Fact]
    public void Lists_name_the_pictures_of_splits()
    {
        using var folder = With("1.pgm", "x/2.pgm", "x/3.pgm", "4.pgm");
        using var elsewhere = With("5.pgm");
        folder.Write("train.txt", $"# mine\nx/3.pgm\n\n1.pgm\n{elsewhere["5.pgm"]}\n");
        folder.Write("Val.txt", "4.pgm\n");
        Assert.Equal([folder["x/3.pgm"], folder["1.pgm"], elsewhere["5.pgm"]], [.. Enumerable.Range(0, 3).Select(Open(folder).SampleName)]);
        Assert.Equal(["4.pgm"], Files(folder, Open(folder, "val")));
        Assert.Equal(["train", "val"], Datasets.Splits("pictures", folder.Path));
    }

    [Theory]
    [InlineData("9.pgm", "train.txt: line 1: there is no file")]
    [InlineData("1.pgm\n1.pgm", "train.txt: line 2: '1.pgm' was in line 1 already")]
    [InlineData("# none", "train.txt holds no image")]
    public void A_list_that_cannot_be_followed_is_refused(string list, string expected)
    {
        using var folder = With("1.pgm");
        folder.Write("train.txt", list);
        Assert.Contains(expected, Refusal(folder), StringComparison.Ordinal);
    }

    [Fact]
    public void Folders_and_lists_at_once_are_refused()
    {
        using var folder = With("train/1.pgm");
        folder.Write("train.txt", "train/1.pgm");
        Assert.Contains("splits must be folders or lists, not both", Refusal(folder), StringComparison.Ordinal);
    }

    [Fact]
    public void An_empty_folder_and_no_folder_are_refused()
    {
        using var folder = With("notes.txt");
        Assert.Contains("holds no image", Refusal(folder), StringComparison.Ordinal);
        Assert.Contains(
            "data.root must name the folder",
            Assert.Throws<DataException>(() => Datasets.Open("pictures", "train")).Message,
            StringComparison.Ordinal
        );
    }

    [Fact]
    public void An_image_folder_without_classes_names_the_data_set_for_pictures()
    {
        using var folder = With("1.pgm");
        Assert.Contains(
            "data.name=pictures",
            Assert.Throws<DataException>(() => Datasets.Open("image_folder", "train", folder.Path)).Message,
            StringComparison.Ordinal
        );
    }

    [Fact]
    public void A_check_finds_copies_and_files_that_cannot_be_read()
    {
        using var folder = With("1.pgm", "x/2.pgm");
        folder.Write("3.pgm", "no image");
        var report = DatasetCheck.Run(OpenedSplits.Open("pictures", folder.Path));
        var split = Assert.Single(report.Splits);
        Assert.Equal(("all", 3), (split.Name, split.Samples));
        Assert.Empty(split.Classes);
        Assert.Equal(folder["3.pgm"], Assert.Single(split.Unreadable).Name);
        Assert.Single(report.Repeats);
        Assert.DoesNotContain(report.Findings, finding => finding.Text.Contains("class", StringComparison.Ordinal));
        var held = Assert.Single(report.Findings, finding => finding.Text.Contains("data.minival", StringComparison.Ordinal));
        Assert.Equal(Severity.Remark, held.Severity);
    }
}
