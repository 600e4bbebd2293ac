using Tessera.Data.Images;
using Tessera.Data.Imaging;
using Tessera.Data.Loading;
using Tessera.Data.Sets;
using Tessera.Data.Transforms;
using Tessera.Testing;

namespace Tessera.Data.Tests;

/// <summary>Data sets with any number of labels per image, from tables and from folders.</summary>
public sealed class MultiLabelSetsTests : IDisposable
{
    private readonly TempFolder folder = new();

    public void Dispose() => folder.Dispose();

    private void Images(params string[] names)
    {
        foreach (var (number, name) in names.Index())
            folder.Write(name, Pnm.Colored(number));
    }

    private ImageDataset Open(string split = "train", string name = "multi_label") => Datasets.OpenImages(name, split, folder.Path);

    /// <summary>A line per sample: its file and the names of its classes.</summary>
    private string[] Samples(ImageDataset set) =>
        [
            .. Enumerable
                .Range(0, set.Count)
                .Select(i =>
                    $"{Path.GetRelativePath(folder.Path, set.SampleName(i))}: "
                    + string.Join(", ", MultiLabels.Of(set)[i].ToArray().Select(label => set.ClassNames[label]))
                ),
        ];

    private void Refused(string message, string split = "train", string name = "multi_label")
    {
        var error = Assert.ThrowsAny<DataException>(() => Open(split, name));
        Assert.Equal(message, error.Message.Replace(folder.Path + "/", "", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("train.csv", "image,labels\na.ppm,dog|cat\nsub/b.ppm,\nc.ppm,car\n")]
    [InlineData("train.csv", "image,labels\r\na.ppm,dog; cat\r\n./sub/b.ppm,\r\n\"c.ppm\",\"car\"\r\n")]
    [InlineData("train.csv", "image,labels\na.ppm,dog  cat\nsub//b.ppm,\nc.ppm,car\n")]
    [InlineData("train.csv", "image,dog,cat,car\na.ppm,1,1,0\nsub/b.ppm,0,0,0\nc.ppm,0,0,1")]
    [InlineData("labels.csv", "\uFEFFimage,split,labels\na.ppm,train,dog|cat\nd.ppm,val,dog\nsub/b.ppm,train,\nc.ppm,train,car\n")]
    [InlineData("labels.csv", "image,dog,cat,car,split\na.ppm,1,1,0,train\nsub/b.ppm,0,0,0,train\nd.ppm,0,1,1,test\nc.ppm,0,0,1,train\n")]
    [InlineData(
        "train.json",
        """
            [
                {"file": "a.ppm", "labels": ["dog", "cat"]},
                {"labels": [], "file": "sub/b.ppm"},
                {"file": "c.ppm", "labels": ["car"]}
            ]
            """
    )]
    [InlineData("train.json", """{"a.ppm": ["dog", "cat"], "sub/b.ppm": [], "c.ppm": ["car"]}""")]
    [InlineData(
        "labels.json",
        """
            [
                {"file": "a.ppm", "labels": ["dog", "cat"], "split": "train"},
                {"file": "sub/b.ppm", "split": "train", "labels": []},
                {"file": "d.ppm", "labels": ["dog"], "split": "test"},
                {"file": "c.ppm", "labels": ["car"], "split": "train"}
            ]
            """
    )]
    [InlineData(
        "train.jsonl",
        """
            {"file": "a.ppm", "labels": ["dog", "cat"]}

            {"file": "sub/b.ppm", "labels": []}
            {"file": "c.ppm", "labels": ["car"]}
            """
    )]
    public void Every_form_of_table_says_the_same(string file, string text)
    {
        Images("a.ppm", "sub/b.ppm", "c.ppm", "d.ppm");
        folder.Write(file, text);
        var set = Open();
        Assert.Equal(["car", "cat", "dog"], set.ClassNames);
        Assert.Equal(["a.ppm: cat, dog", "sub/b.ppm: ", "c.ppm: car"], Samples(set));
        using var scope = new Scope();
        var batch = new Loader(set, new([], new Normalization([0], [1 / 255f])), new(3) { Workers = 0 }).Epoch(0).Single();
        Assert.Equal([0, 1, 1, 0, 0, 0, 1, 0, 0], MultiLabelTargets.Of(batch).Hot.ToArray<float>());
        Assert.Equal([0, 1, 2], batch.Inputs.Mean([1, 2, 3]).ToArray<float>().Select(value => Math.Round(value)));
    }

    [Fact]
    public void Splits_have_their_own_tables_and_the_classes_of_all()
    {
        Images("images/a.ppm", "images/b.ppm", "images/c.ppm");
        folder.Write("train.csv", "image,labels\na.ppm,dog\n");
        folder.Write("valid.json", """{"b.ppm": ["cat"]}""");
        folder.Write("test.jsonl", """{"file": "c.ppm", "labels": ["dog", "ant"]}""");
        Assert.Equal(["images/a.ppm: dog"], Samples(Open()));
        Assert.Equal(["images/b.ppm: cat"], Samples(Open("validation")));
        Assert.Equal(["images/c.ppm: ant, dog"], Samples(Open("test")));
        foreach (var split in (string[])["train", "val", "test"])
            Assert.Equal(["ant", "cat", "dog"], Open(split).ClassNames);
        Assert.Equal("valid", Open("valid").Split);
    }

    [Fact]
    public void A_list_of_classes_gives_the_order_and_refuses_others()
    {
        Images("a.ppm", "b.ppm");
        folder.Write("classes.txt", "traffic light\ncar\n\nbus\n");
        folder.Write("train.csv", "image,labels\na.ppm,traffic light\nb.ppm,\n");
        Assert.Equal(["traffic light", "car", "bus"], Open().ClassNames);
        Assert.Equal(["a.ppm: traffic light", "b.ppm: "], Samples(Open()));
        folder.Write("train.csv", "image,labels\na.ppm,traffic light|car\nb.ppm,lorry\n");
        Refused("train.csv: line 3: 'lorry' is none of the classes of classes.txt (labels were taken to be separated by '|')");
        folder.Write("train.csv", "image,labels\na.ppm,traffic light\nb.ppm,car bus\n");
        Refused("train.csv: line 3: 'car bus' is none of the classes of classes.txt (each cell was taken as one label)");
        folder.Write("train.csv", "image,car,bus\na.ppm,1,1\n");
        Refused("train.csv: line 1: there must be a column for every class, and 'traffic light' has none");
        folder.Write("train.csv", "image,car,bus,lorry\na.ppm,1,1,0\n");
        Refused("train.csv: line 1: column 'lorry' is none of the classes of classes.txt");
        folder.Write("train.json", """{"a.ppm": ["car"]}""");
        File.Delete(folder["train.csv"]);
        folder.Write("classes.txt", "car\ncar\n");
        Refused("classes.txt: 'car' is there twice");
    }

    [Fact]
    public void One_table_decides_what_separates_the_labels_of_all()
    {
        Images("a.ppm", "b.ppm");
        folder.Write("train.csv", "image,labels\na.ppm,traffic light|car\n");
        folder.Write("val.csv", "image,labels\nb.ppm,traffic light\n");
        Assert.Equal(["b.ppm: traffic light"], Samples(Open("val")));
        folder.Write("val.csv", "image,labels\nb.ppm,car;bus\n");
        Refused("train.csv: line 2: labels are separated by '|' here and by ';' in line 2 of val.csv: it must be one of them");
    }

    [Theory]
    [InlineData("", "the table is empty; its first line must name the columns")]
    [InlineData("image,labels\n", "the table names no image")]
    [InlineData("image\na.ppm\n", "line 1: the path of the image must be followed by a column 'labels' or by one column per class")]
    [InlineData("image,labels,cat\na.ppm,dog,1\n", "line 1: beside 'labels' there must be no column but 'split', and there is 'cat'")]
    [InlineData("image,cat,\na.ppm,0,1\n", "line 1: column 3 has no name")]
    [InlineData("image,cat,cat\na.ppm,0,1\n", "line 1: column 'cat' is there twice")]
    [InlineData("image,cat\na.ppm,1\nb.ppm,2\n", "line 3, column 'cat': '2' must be 0 or 1")]
    [InlineData("image,cat\na.ppm,\n", "line 2, column 'cat': '' must be 0 or 1")]
    [InlineData("image,cat\na.ppm,1,0\n", "line 2: 3 fields, and there must be 2")]
    [InlineData("image,labels\n,cat\n", "line 2: the path of the image is empty")]
    [InlineData("image,labels\na.ppm,cat||dog\n", "line 2: a label is empty (labels were taken to be separated by '|')")]
    [InlineData("image,labels\na.ppm,cat cat\n", "line 2: 'cat' is there twice (labels were taken to be separated by ' ')")]
    [InlineData("image,labels\na.ppm,cat\nb.ppm,\n./a.ppm,dog\n", "line 4: './a.ppm' was in line 2 already")]
    [InlineData("image,labels\na.ppm,cat\nx.ppm,cat\n", "line 3: there is no image x.ppm")]
    [InlineData("image,labels\nx.ppm,cat\n", "line 2: there is no image x.ppm or images/x.ppm")]
    [InlineData("image,labels\n../a.ppm,cat\n", "line 2: '../a.ppm' must be a path below the folder of the table")]
    [InlineData("image,labels\n/a.ppm,cat\n", "line 2: '/a.ppm' must be a path below the folder of the table")]
    [InlineData(
        "image,labels,split\na.ppm,cat,train\n",
        "line 2: 'split' belongs in labels.csv or labels.json; the name of this file is its split"
    )]
    public void A_wrong_table_is_refused_with_its_line(string text, string problem)
    {
        Images("a.ppm", "b.ppm");
        folder.Write("train.csv", text);
        Refused($"train.csv: {problem}");
    }

    [Theory]
    [InlineData("3", "line 1: the file must hold an array of { \"file\": ..., \"labels\": [...] } or an object from file to labels")]
    [InlineData("[]", "the table names no image")]
    [InlineData("[\n{\"file\": \"a.ppm\"}]", "line 2: an image without 'labels'")]
    [InlineData("[\n{\"labels\": []}]", "line 2: an image without 'file'")]
    [InlineData("[\n\n\"a.ppm\"]", "line 3: an image must be { \"file\": ..., \"labels\": [...] }")]
    [InlineData(
        "[{\"file\": \"a.ppm\",\n\"tag\": []}]",
        "line 2: 'tag' is unknown; an image has 'file', 'labels' and, where wanted, 'split'"
    )]
    [InlineData("[{\"file\": \"a.ppm\",\n\"file\": \"b.ppm\"}]", "line 2: 'file' is there twice")]
    [InlineData("{\"a.ppm\": [\"cat\"],\n\"b.ppm\": 5}", "line 2: labels must be an array of names, or one name")]
    [InlineData("{\"a.ppm\": [\"cat\"],\n\"b.ppm\": [1]}", "line 2: a label must be a string")]
    [InlineData("{\"a.ppm\": [\"cat\"],\n\"a.ppm\": [\"dog\"]}", "line 2: 'a.ppm' was in line 1 already")]
    [InlineData("{\"a.ppm\": [\"cat\", \"cat\"]}", "line 1: 'cat' is there twice")]
    [InlineData("{\"a.ppm\": [\"\"]}", "line 1: a label is empty")]
    public void Wrong_json_is_refused_with_its_line(string text, string problem)
    {
        Images("a.ppm", "b.ppm");
        folder.Write("train.json", text);
        Refused($"train.json: {problem}");
    }

    [Theory]
    [InlineData("train.json", "{\"a.ppm\": [\"cat\"],\n", "train.json: line 2: not valid JSON: ")]
    [InlineData("train.json", "{\"a.ppm\": [\"cat\"]}\n{}", "train.json: line 2: not valid JSON: ")]
    [InlineData("train.jsonl", "{\"file\": \"a.ppm\", \"labels\": []}\n\n{\"file\": \"b", "train.jsonl: line 3: not valid JSON: ")]
    [InlineData("train.jsonl", "{\"file\": \"a.ppm\", \"labels\": []} 7", "train.jsonl: line 1: not valid JSON: ")]
    [InlineData("train.json", "", "train.json: line 1: not valid JSON: ")]
    public void What_is_no_json_is_refused_with_its_line(string file, string text, string start)
    {
        folder.Write(file, text);
        Assert.StartsWith(folder[start], Assert.Throws<DataFormatException>(() => Open()).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Tables_that_are_missing_or_compete_are_named()
    {
        Refused($"multi_label: {folder.Path} must hold val or labels with one of the endings .csv, .json, .jsonl", "valid");
        Images("a.ppm", "images/a.ppm");
        folder.Write("train.csv", "image,labels\na.ppm,cat\n");
        Refused($"train.csv: line 2: 'a.ppm' is both in {folder.Path} and in images: one of them must go");
        folder.Write("val.csv", "image,labels\na.ppm,cat\n");
        folder.Write("validation.json", """{"a.ppm": []}""");
        Refused("multi_label: val.csv and validation.json are both there: one of them must go");
        File.Delete(folder["validation.json"]);
        folder.Write("labels.csv", "image,labels\na.ppm,cat\n");
        Refused("multi_label: labels.csv and train.csv are both there: one of them must go");
        File.Delete(folder["train.csv"]);
        File.Delete(folder["val.csv"]);
        Refused("labels.csv: line 2: the image has no 'split'; a table for one split must be called train, val or test");
        folder.Write("labels.csv", "image,labels,split\na.ppm,cat,dev\n");
        Refused("labels.csv: line 2: the split 'dev' must be one of train, val, valid, validation, test");
        folder.Write("labels.csv", "image,labels,split\na.ppm,cat,train\n");
        Refused($"multi_label (test): the tables in {folder.Path} name no image of this split", "test");
        Assert.Equal(
            "multi_label: data.root must name the folder",
            Assert.Throws<DataException>(() => Datasets.Open("multi_label", "train")).Message
        );
    }

    [Fact]
    public void An_image_in_several_class_folders_is_one_sample()
    {
        folder.Write("train/dog/1.ppm", Pnm.Colored(1));
        folder.Write("train/cat/1.ppm", Pnm.Colored(1));
        folder.Write("train/cat/sub/2.ppm", Pnm.Colored(2));
        folder.Write("train/car/3.ppm", Pnm.Colored(3));
        File.CreateSymbolicLink(folder["train/dog/3.ppm"], folder["train/car/3.ppm"]);
        folder.Write("valid/bus/1.ppm", Pnm.Colored(4));
        var set = Open(name: "multi_label_folder");
        Assert.Equal(["bus", "car", "cat", "dog"], set.ClassNames);
        Assert.Equal(["train/cat/1.ppm: cat, dog", "train/car/3.ppm: car, dog", "train/cat/sub/2.ppm: cat"], Samples(set));
        Assert.Equal(["valid/bus/1.ppm: bus"], Samples(Open("val", "multi_label_folder")));
        folder.Write("classes.txt", "dog\ncat\ncar\nbus\n");
        Assert.Equal(["train/cat/1.ppm: dog, cat", "train/car/3.ppm: dog, car", "train/cat/sub/2.ppm: cat"], Samples(Open(name: set.Name)));
    }

    [Fact]
    public void Folders_that_leave_a_label_open_are_refused()
    {
        const string Name = "multi_label_folder";
        Refused($"{Name}: {folder.Path} must hold a folder train with a folder per class", name: Name);
        folder.Write("train/dog/1.ppm", Pnm.Colored(1));
        folder.Write("train/cat/1.ppm", Pnm.Colored(2));
        Refused(
            $"{Name} (train): train/cat/1.ppm and train/dog/1.ppm have the same name but not the same bytes: "
                + "an image with several labels must be the same file in each folder, other images must have other names",
            name: Name
        );
        File.Delete(folder["train/cat/1.ppm"]);
        Refused($"{Name} (train): the folder train/cat holds no image", name: Name);
        folder.Write("train/cat/2.ppm", Pnm.Colored(2));
        folder.Write("train/3.ppm", Pnm.Colored(3));
        Refused($"{Name} (train): train/3.ppm lies in no folder of a class", name: Name);
        File.Delete(folder["train/3.ppm"]);
        folder.Write("classes.txt", "dog\n");
        Refused($"{Name} (train): the folder train/cat is none of the classes of classes.txt", name: Name);
        File.Delete(folder["classes.txt"]);
        folder.Write("val/dog/1.ppm", Pnm.Colored(1));
        folder.Write("validation/dog/1.ppm", Pnm.Colored(1));
        Refused($"{Name}: val and validation are both there: one of them must go", name: Name);
    }
}
