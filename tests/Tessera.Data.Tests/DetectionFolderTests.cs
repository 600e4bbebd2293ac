using Tessera.Data.Images;
using Tessera.Data.Sets;
using Tessera.Testing;

namespace Tessera.Data.Tests;

/// <summary>Images with boxes in VOC's XML and YOLO's text, and own folders of any form.</summary>
public sealed class DetectionFolderTests : IDisposable
{
    // 40 rows of 80 columns.
    private static readonly byte[] photograph = [.. "P5 80 40 255\n"u8, .. new byte[80 * 40]];

    private readonly TempFolder folder = new(inMemory: true);

    public void Dispose() => folder.Dispose();

    private void Images(params string[] names)
    {
        foreach (var name in names)
            folder.Write(name, photograph);
    }

    private static string Object(string name, string corners, string more = "") =>
        corners.Split(' ') is [var left, var top, var right, var bottom]
            ? $"<object><name>{name}</name>{more}<bndbox><xmin>{left}</xmin><ymin>{top}</ymin>"
                + $"<xmax>{right}</xmax><ymax>{bottom}</ymax></bndbox>"
                + "<part><name>head</name><bndbox><xmin>2</xmin><ymin>2</ymin><xmax>3</xmax><ymax>3</ymax></bndbox></part></object>"
            : throw new ArgumentException(corners);

    private void Voc(string name, params string[] objects) =>
        folder.Write(
            name,
            "<annotation>\n<filename>x.jpg</filename><size><width>80</width><height>40</height><depth>3</depth></size>\n"
                + $"{string.Join('\n', objects)}\n</annotation>"
        );

    private FileImages Open(string name, string split = "train") => (FileImages)Datasets.Open(name, split, folder.Path);

    private string Refusal(string name, string split = "train") => Assert.ThrowsAny<DataException>(() => Open(name, split)).Message;

    private static string[] Samples(FileImages set) =>
        [
            .. Enumerable
                .Range(0, set.Count)
                .Select(i =>
                    $"{Path.GetFileNameWithoutExtension(set.SampleName(i))}: "
                    + string.Join(
                        ", ",
                        ((ObjectBoxes)set.Annotations)[i]
                            .Select(one =>
                                $"{set.ClassNames[one.Class]} {one.Box.Left} {one.Box.Top} {one.Box.Right} {one.Box.Bottom}"
                                + (one.IsIgnored ? " ignored" : "")
                            )
                    )
                ),
        ];

    private void TwoOfVoc()
    {
        Images("JPEGImages/a.ppm", "JPEGImages/b.ppm", "JPEGImages/c.d.ppm");
        Voc(
            "Annotations/a.xml",
            Object("dog", "1 1 80 40", "<difficult>1</difficult>"),
            Object("cat", "10 5 10 6", "<difficult>0</difficult>")
        );
        Voc("Annotations/b.xml");
        Voc("Annotations/c.d.xml", Object("bird", "2.5 3 4 5"));
        folder.Write("ImageSets/Main/train.txt", "b\na\n");
        folder.Write("ImageSets/Main/test.txt", "c.d  1\n");
        folder.Write("ImageSets/Main/trainval.txt", "b\na\n");
        folder.Write("ImageSets/Main/cat_train.txt", "b -1\na 1\n");
    }

    [Fact]
    public void Boxes_of_voc_are_pixels_that_count_from_1()
    {
        TwoOfVoc();
        var set = Open("voc_detection");
        Assert.Equal(["bird", "cat", "dog"], set.ClassNames);
        Assert.Equal(["b: ", "a: dog 0 0 80 40 ignored, cat 9 4 10 6"], Samples(set));
        Assert.Equal([new ImageSize(40, 80), new ImageSize(40, 80)], ((ObjectBoxes)set.Annotations).Sizes);
        Assert.Null(((ObjectBoxes)set.Annotations).ImageIds);
        Assert.Equal(["1 of 2 images have no objects: they are kept, as images in which nothing is to be found"], set.Remarks);
        Assert.Equal(["c.d: bird 1.5 2 4 5"], Samples(Open("voc_detection", "test")));
        Assert.Equal(2, Open("voc_detection", "trainval").Count);
        Assert.Equal(["train", "test", "trainval"], Datasets.Splits("voc_detection", folder.Path));
        Assert.Equal("test", Datasets.MeasuredSplit("voc_detection", folder.Path));
        Assert.Contains("has no split 'val': its splits are", Refusal("voc_detection", "val"), StringComparison.Ordinal);
        // The other rule, by name and by what is there.
        Assert.Equal(["c.d: bird 2.5 3 4 5"], Samples(Open("voc_detection_0", "test")));
        Assert.Contains("pixels that count from 1, as in Pascal VOC", Open("detection_folder").Remarks[1], StringComparison.Ordinal);
        Voc("Annotations/b.xml", Object("bird", "0 1 4 5"));
        Assert.Equal(["c.d: bird 2.5 3 4 5"], Samples(Open("detection_folder", "test")));
        Assert.Contains(
            $"edges that count from 0, because {folder["Annotations/b.xml"]} has one below 1",
            Open("detection_folder").Remarks[1],
            StringComparison.Ordinal
        );
        Assert.Contains("open the set as voc_detection_0", Open("voc_detection").Remarks[0], StringComparison.Ordinal);
    }

    [Fact]
    public void Voc_files_may_lie_beside_their_images_or_in_a_folder_of_a_split()
    {
        Images("train/a.ppm", "train/bare.ppm", "Valid/images/b.ppm");
        Voc("train/a.xml", Object("dog", "1 1 2 2"));
        Voc("Valid/annotations/b.xml", Object("cat", "1 1 2 2"));
        var set = Open("voc_detection");
        Assert.Equal(["cat", "dog"], set.ClassNames);
        Assert.Equal(["a: dog 0 0 2 2"], Samples(set));
        Assert.Contains("1 images have no XML file and were left out", set.Remarks[0], StringComparison.Ordinal);
        Assert.Equal(["b: cat 0 0 2 2"], Samples(Open("voc_detection", "val")));
        folder.Write("classes.txt", "dog\ncat\n");
        Assert.Equal(["dog", "cat"], Open("voc_detection").ClassNames);
        folder.Write("classes.txt", "cat\n");
        Assert.Contains("the class 'dog' is not in classes.txt", Refusal("voc_detection"), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("<annotation><object><name>a</name></object></annotation>", "line 1: <object> has no <bndbox>")]
    [InlineData("<annotation>\n<object><bndbox/></object></annotation>", "line 2: <object> has no <name>")]
    [InlineData("<annotation><object><name> </name></object></annotation>", "line 1: <name> is empty")]
    [InlineData(
        "<annotation><size><width>5</width><height>-5</height></size></annotation>",
        "line 1: the size is -5x5: both sides must be at least 1"
    )]
    [InlineData("<annotations/>", "line 1: the file must hold <annotation>, and holds <annotations>")]
    [InlineData("<!DOCTYPE a [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><annotation>&x;</annotation>", "not valid XML")]
    [InlineData("<annotation>", "line 1: not valid XML")]
    [InlineData("", "not valid XML")]
    public void Wrong_xml_is_named_with_its_line(string xml, string problem)
    {
        Images("a.ppm");
        var path = folder.Write("a.xml", xml);
        Assert.StartsWith($"{path}: {problem}", Refusal("voc_detection"), StringComparison.Ordinal);
    }

    [Fact]
    public void Wrong_boxes_and_missing_files_of_voc_are_named_and_listed()
    {
        Images("a.ppm");
        Voc("a.xml", Object("dog", "5 1 4 2"), Object("dog", "1 1 x 2"), Object("dog", "1 1 3 2"));
        Voc("b.xml", Object("dog", "1 1 3 2"));
        folder.Write("c.xml", "no");
        Assert.Contains(
            "line 3: the box is (5, 1) to (4, 2): xmin and ymin must come first",
            Refusal("voc_detection"),
            StringComparison.Ordinal
        );
        var set = (FileImages)Datasets.Find("voc_detection").OpenLeniently!("train", folder.Path);
        Assert.Equal(["a: dog 0 0 3 2"], Samples(set));
        Assert.Equal(
            ["objects that cannot be read: 2", "files that cannot be read: 1", "annotations without an image: 1"],
            ((ObjectBoxes)set.Annotations).Findings.Select(finding => finding.Text)
        );
        TwoOfVoc();
        folder.Write("ImageSets/Main/train.txt", "a\nx\n");
        Assert.Contains($"'x': there is no file {folder["Annotations/x.xml"]}", Refusal("voc_detection"), StringComparison.Ordinal);
    }

    private void Yolo(string names = "names: [dog, cat]")
    {
        Images("images/train/a.ppm", "images/train/b.ppm", "images/val/c.ppm");
        folder.Write("labels/train/a.txt", "0 0.5 0.5 1 0.5\n\n1 0.25 0.25 0 0.5\n");
        folder.Write("labels/val/c.txt", "1 0 0 0.5 0 0.5 1 0 1\n");
        if (names.Length > 0)
            folder.Write("data.yaml", $"path: .\ntrain: images/train\nval: [images/val]\ntest:\n{names}\n");
    }

    [Theory]
    [InlineData("nc: 2\nnames: [dog, cat]")]
    [InlineData("names: {0: dog, 1: cat}")]
    [InlineData("")]
    public void Boxes_of_yolo_are_fractions_of_their_images(string names)
    {
        Yolo(names);
        if (names.Length == 0)
            folder.Write("classes.txt", "dog\ncat\n");
        var set = Open("yolo");
        Assert.Equal(["dog", "cat"], set.ClassNames);
        Assert.Equal(["a: dog 0 10 80 30, cat 20 0 20 20", "b: "], Samples(set));
        Assert.StartsWith(
            "1 of 2 images have no file of labels and count as images in which nothing is to be found",
            set.Remarks[0],
            StringComparison.Ordinal
        );
        var val = Open("yolo", "val");
        Assert.Equal(["c: cat 0 0 40 40"], Samples(val));
        var boxes = (ObjectBoxes)val.Annotations;
        Assert.True(boxes.HasMasks);
        Assert.Equal((1600L, 1600.0), (boxes[0][0].Mask!.Area, boxes[0][0].Area));
        Assert.Equal([0L, 1], boxes.CategoryIds);
        Assert.Equal(["train", "val"], Datasets.Splits("yolo", folder.Path));
    }

    [Fact]
    public void Numbers_of_yolo_may_have_gaps_and_splits_be_lists_or_folders_of_their_own()
    {
        Images("train/images/a.ppm", "train/images/b.ppm", "valid/images/c.ppm");
        folder.Write("train/labels/a.txt", "9 0.5 0.5 0.5 0.5\n");
        folder.Write("train/labels/lonely.txt", "9 0.5 0.5 0.5 0.5\n");
        folder.Write("valid/labels/c.txt", "");
        folder.Write(
            "data.yaml",
            "train: train/images\nval: ../valid/images\ntest: ../test/images\nnames: {9: nut,3: fig}\nskip_if_label_file_missing: true\n"
        );
        var set = Open("yolo");
        Assert.Equal(["fig", "nut"], set.ClassNames);
        Assert.Equal([3L, 9], ((ObjectBoxes)set.Annotations).CategoryIds);
        Assert.Equal(["a: nut 20 10 60 30"], Samples(set));
        Assert.Equal(
            [
                $"{folder["data.yaml"]} names a split test, whose folder is not there",
                $"1 of 2 images have no file of labels and were left out ({folder["train/images/b.ppm"]})",
                $"files of labels without an image: 1 ({folder["train/labels/lonely.txt"]})",
            ],
            set.Remarks
        );
        folder.Write("data.yaml", "train: list.txt\nnames: {9: nut}\n");
        folder.Write("list.txt", "./train/images/a.ppm\n");
        Assert.Equal(["a: nut 20 10 60 30"], Samples(Open("yolo")));
        folder.Write("list.txt", "./train/images/x.ppm\n");
        Assert.Contains("line 1: there is no image './train/images/x.ppm'", Refusal("yolo"), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("2 0.5 0.5 1 1", "line 1: the class 2 is not in")]
    [InlineData("dog 0.5 0.5 1 1", "line 1: 'dog' must be the number of a class")]
    [InlineData("0 0.5 0.5 1", "line 1: 3 numbers behind the class: there must be 4 for a box")]
    [InlineData("0 0.5 0.5 1 1 0.9", "line 1: 5 numbers behind the class")]
    [InlineData("0 0.5 0.5 x 1", "line 1: 'x' must be a number")]
    [InlineData("\n0 40 20 80 40", "line 2: 40 must be from 0 to 1: coordinates are fractions of the image's sides")]
    [InlineData("0 0.5 0.5 -0.005 1", "line 1: the width and the height must be at least 0")]
    public void Wrong_lines_of_yolo_are_named(string labels, string problem)
    {
        Yolo();
        var path = folder.Write("labels/train/a.txt", labels);
        Assert.Contains($"{path}: {problem}", Refusal("yolo"), StringComparison.Ordinal);
        var lenient = (ObjectBoxes)Datasets.Find("yolo").OpenLeniently!("train", folder.Path).Annotations;
        Assert.True(Assert.Single(lenient.Findings).IsProblem);
    }

    [Theory]
    [InlineData("names: 3", "line 1: 'names' must be a list of names, or names by number")]
    [InlineData("names: []", "line 1: 'names' lists no class")]
    [InlineData("names: {a: b}", "line 1: 'names' has 'a', which must be the number of a class")]
    [InlineData("names: [a, a]", "line 1: 'names' has 'a' twice")]
    [InlineData("names: [a]\nnc: 2", "line 2: 'nc' is 2, and 'names' has 1: they must be equal")]
    [InlineData("names: [a]\ntrain: no", "'train' is no, and there is no such folder or list in")]
    [InlineData("names: [a]\ntrain: {a: b}", "line 2: a split must be a path, or a list of paths")]
    public void A_wrong_data_file_of_yolo_is_named(string yaml, string problem)
    {
        Yolo("");
        var path = folder.Write("data.yaml", yaml);
        Assert.Contains($"{path}: {problem}", Refusal("yolo"), StringComparison.Ordinal);
    }

    [Fact]
    public void A_folder_is_recognised_and_this_is_said_or_it_is_refused_with_what_to_write()
    {
        Assert.Contains("holds no annotations that are known", Refusal("detection_folder"), StringComparison.Ordinal);
        Yolo();
        Assert.Equal($"the annotations are read as YOLO's text, because of {folder["data.yaml"]}", Open("detection_folder").Remarks[0]);
        Assert.Equal(["train", "val"], Datasets.Splits("detection_folder", folder.Path));
        Assert.Equal("detection_folder", Open("detection_folder").Name);
        folder.Write("train.json", """{"images": [], "annotations": [], "categories": []}""");
        Assert.Equal(
            $"detection_folder: {folder["train.json"]} and {folder["data.yaml"]} are both annotations: name the data set coco_json or yolo",
            Refusal("detection_folder")
        );
        File.Delete(folder["data.yaml"]);
        Directory.Delete(folder["labels"], recursive: true);
        Assert.Contains("holds no image with annotations", Refusal("detection_folder"), StringComparison.Ordinal);
        Assert.Contains(
            "data.root must name the folder",
            Assert.Throws<DataException>(() => Datasets.Open("detection_folder", "train")).Message,
            StringComparison.Ordinal
        );
    }
}
