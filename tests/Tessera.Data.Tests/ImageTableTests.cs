using Tessera.Data.Sets;
using Tessera.Testing;

namespace Tessera.Data.Tests;

public class ImageTableTests
{
    private static readonly byte[] image = "P5 1 1 255\n7"u8.ToArray();

    private static TempFolder With(string table, string text, params string[] images)
    {
        var folder = new TempFolder();
        foreach (var file in images)
            folder.Write(file, image);
        File.WriteAllText(folder[table], text);
        return folder;
    }

    private static string Read(TempFolder folder, string split = "train")
    {
        var data = Datasets.Open("image_table", split, folder.Path);
        var labels = ClassLabels.Of(data).Labels;
        return string.Join(
            ' ',
            Enumerable
                .Range(0, data.Count)
                .Select(i => $"{Path.GetRelativePath(folder.Path, data.SampleName(i))}={data.ClassNames[labels[i]]}")
        );
    }

    private static string Refusal(TempFolder folder) =>
        Assert.Throws<DataFormatException>(() => Datasets.Open("image_table", "train", folder.Path)).Message[(folder.Path.Length + 1)..];

    [Theory]
    [InlineData("train.csv", "file,label\n1.pgm,cat\nsub/2.pgm,\"dog, small\"\n")]
    [InlineData("train.csv", "id,breed\n1,cat\nsub/2,\"dog, small\"\n")]
    [InlineData("labels.csv", "file,split,label\n1.pgm,train,cat\nsub/2.pgm,train,\"dog, small\"\n1.pgm2,test,cat\n")]
    [InlineData("train.json", """[{"file":"1.pgm","label":"cat"},{"file":"sub/2.pgm","labels":["dog, small"]}]""")]
    [InlineData("train.json", """{"1.pgm":"cat","sub/2.pgm":" dog, small "}""")]
    public void A_table_gives_each_image_a_class(string table, string text)
    {
        using var folder = With(table, text.Replace("1.pgm2", "3.pgm", StringComparison.Ordinal), "1.pgm", "sub/2.pgm", "3.pgm");
        Assert.Equal("1.pgm=cat sub/2.pgm=dog, small", Read(folder));
    }

    [Fact]
    public void Images_may_lie_in_a_folder_of_the_splits_name()
    {
        using var folder = With("train.csv", "id,label\nx,a\n", "train/x.pgm");
        Assert.Equal("train/x.pgm=a", Read(folder));
        Assert.Equal(["train"], Datasets.Splits("image_table", folder.Path));
        Assert.Null(Datasets.MeasuredSplit("image_table", folder.Path));
    }

    [Fact]
    public void Classes_are_those_of_all_tables_or_of_the_list()
    {
        using var folder = With("train.csv", "file,label\n1.pgm,b\n", "1.pgm", "2.pgm");
        File.WriteAllText(folder["test.csv"], "file,label\n2.pgm,a\n");
        Assert.Equal(["a", "b"], Datasets.Open("image_table", "train", folder.Path).ClassNames);
        File.WriteAllText(folder["classes.txt"], "c\nb\na\n");
        Assert.Equal(["c", "b", "a"], Datasets.Open("image_table", "test", folder.Path).ClassNames);
    }

    [Theory]
    [InlineData("file,label,other\n1.pgm,a,b\n", "one column must hold the class of the image")]
    [InlineData("file,label\n1.pgm,\n", "line 2: an image must have one class, and this one has 0")]
    [InlineData("file,label\n1.pgm,a\n1.pgm,b\n", "line 3: '1.pgm' was in line 2 already")]
    [InlineData("file,label\n9,a\n", "line 2: there is no image")]
    public void A_table_that_says_something_else_is_refused(string text, string problem)
    {
        using var folder = With("train.csv", text, "1.pgm");
        Assert.Contains(problem, Refusal(folder), StringComparison.Ordinal);
    }
}
