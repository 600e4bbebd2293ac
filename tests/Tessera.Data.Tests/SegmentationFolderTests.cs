using Tessera.Data.Images;
using Tessera.Data.Sets;
using Tessera.Testing;

namespace Tessera.Data.Tests;

/// <summary>Images and masks of one's own, without code: what could mean two things is refused with what to write, or said.</summary>
public sealed class SegmentationFolderTests : IDisposable
{
    private static readonly byte[] photograph = "P5 2 1 255\n77"u8.ToArray();
    private static readonly byte[] red = [255, 0, 0],
        green = [0, 255, 0];

    private readonly TempFolder folder = new(inMemory: true);

    public void Dispose() => folder.Dispose();

    private void Image(params string[] names)
    {
        foreach (var name in names)
            folder.Write(name, photograph);
    }

    // One of grey, of indices, or of colours, of 2x1 pixels.
    private void Mask(string name, params ushort[] values) =>
        folder.Write(name, ImageBytes.Png(1, 2, values.Length == 6 ? 2 : 0, 8, values));

    private void Indexed(string name, byte[] palette, params ushort[] values) =>
        folder.Write(name, ImageBytes.Png(1, 2, 3, 8, values, palette));

    private void Classes(string text) => folder.Write("classes.txt", text);

    private Dataset Open(string split = "train") => Datasets.Open("segmentation_folder", split, folder.Path);

    private string Refusal(string split = "train") => Assert.ThrowsAny<DataException>(() => Open(split)).Message;

    private static string[] Samples(Dataset set) =>
        [
            .. Enumerable
                .Range(0, set.Count)
                .Select(i =>
                    $"{Path.GetFileName(set.SampleName(i))} {Path.GetFileName(((LabelMaps)set.Annotations).MapFile(i))}: "
                    + string.Join(' ', ((LabelMaps)set.Annotations)[i].Ids)
                ),
        ];

    private void Two(string images = "images", string masks = "masks")
    {
        Image($"{images}/a.ppm", $"{images}/b.ppm");
        Mask($"{masks}/a.png", 0, 1);
        Mask($"{masks}/b.png", 1, 255);
    }

    [Fact]
    public void Splits_are_folders_around_images_and_masks()
    {
        Two("train/images", "train/masks");
        Two("Valid/Images", "Valid/labels");
        Image("test/images/c.ppm");
        Classes("sky\ntree\n");
        Assert.Equal(["a.ppm a.png: 0 1", "b.ppm b.png: 1 255"], Samples(Open()));
        Assert.Equal(2, Open("val").Count);
        Assert.Equal(["train", "val"], Datasets.Splits("segmentation_folder", folder.Path));
        Assert.Equal("val", Datasets.MeasuredSplit("segmentation_folder", folder.Path));
        Assert.Contains("the split 'test' in", Refusal("test"), StringComparison.Ordinal);
        Assert.Contains("has images and no masks", Refusal("test"), StringComparison.Ordinal);
        Two();
        Assert.Contains("splits must be around images and masks, or in them", Refusal(), StringComparison.Ordinal);
    }

    [Fact]
    public void Splits_are_folders_inside_of_images_and_masks()
    {
        Two("images/train", "annotations/train");
        Two("images/val", "annotations/val");
        Image("images/test/x.ppm", "images/loose.ppm", "images/other/y.ppm");
        Classes("sky\ntree\n");
        Assert.Equal(["a.ppm a.png: 0 1", "b.ppm b.png: 1 255"], Samples(Open("val")));
        Assert.Equal(["train", "val"], Datasets.Splits("segmentation_folder", folder.Path));
        Assert.Contains("has images and no masks", Refusal("test"), StringComparison.Ordinal);
        Assert.Equal(
            ["other lies in no folder of a split and was left out", "loose.ppm lies in no folder of a split and was left out"],
            Open().Remarks.Select(remark => remark[(folder.Path.Length + "/images/".Length)..])
        );
        folder.Write("train.txt", "a\n");
        Assert.Contains("splits must be folders or lists, not both", Refusal(), StringComparison.Ordinal);
    }

    [Fact]
    public void Splits_are_lists()
    {
        Two();
        Image("images/deep/c d.ppm");
        Mask("masks/deep/c d.png", 0, 0);
        Classes("sky\ntree\n");
        folder.Write("train.txt", "# drawn by lot\ndeep/c d\n\nimages/a.ppm\n");
        folder.Write("VAL.txt", "/data/images/b.ppm /data/masks/b.png\n");
        Assert.Equal(["c d.ppm c d.png: 0 0", "a.ppm a.png: 0 1"], Samples(Open()));
        Assert.Equal(["b.ppm b.png: 1 255"], Samples(Open("val")));
        Assert.Equal(["train", "val"], Datasets.Splits("segmentation_folder", folder.Path));
        folder.Write("train.txt", "a x\n");
        Assert.Contains("train.txt: line 1: 'a x' is no image of", Refusal(), StringComparison.Ordinal);
        // The mask that is named stands before that of the image's name.
        folder.Write("train.txt", "a.ppm b.png\n");
        Assert.Equal(["a.ppm b.png: 1 255"], Samples(Open()));
        folder.Write("train.txt", "a\nimages/a.ppm\n");
        Assert.Contains("line 2: 'images/a.ppm' comes a second time", Refusal(), StringComparison.Ordinal);
        folder.Write("train.txt", "\n# none\n");
        Assert.Contains("the list names no image", Refusal(), StringComparison.Ordinal);
        folder.Write("train.txt", "a\n");
        File.Delete(folder["masks/b.png"]);
        Assert.Contains("VAL.txt: line 1: '/data/images/b.ppm /data/masks/b.png' is no image", Refusal("val"), StringComparison.Ordinal);
        folder.Write("VAL.txt", "b\n");
        Assert.Contains("line 1: the image", Refusal("val"), StringComparison.Ordinal);
        folder.Write("val.txt", "a\n");
        Assert.Contains("one of them must go", Refusal(), StringComparison.Ordinal);
    }

    [Fact]
    public void A_folder_without_splits_is_learned_from_and_never_measured_by_itself()
    {
        Two();
        Classes("sky\ntree\n");
        Assert.Equal(2, Open().Count);
        Assert.Equal(2, Open("all").Count);
        Assert.Equal(["all"], Datasets.Splits("segmentation_folder", folder.Path));
        Assert.Null(Datasets.MeasuredSplit("segmentation_folder", folder.Path));
        Assert.Contains("hold out a part of the images", Refusal("val"), StringComparison.Ordinal);
    }

    [Fact]
    public void Folders_that_are_missing_or_double_are_named()
    {
        Assert.Contains("there is no folder images or image", Refusal(), StringComparison.Ordinal);
        Image("images/a.ppm");
        Assert.Contains("there is no folder masks or mask", Refusal(), StringComparison.Ordinal);
        Directory.CreateDirectory(folder["masks"]);
        Assert.Contains("masks holds no image (.jpg", Refusal(), StringComparison.Ordinal);
        Directory.CreateDirectory(folder["labels"]);
        Assert.Contains("are both there: one of them must go", Refusal(), StringComparison.Ordinal);
        Assert.Contains(
            "data.root must name the folder",
            Assert.Throws<DataException>(() => Datasets.Open("segmentation_folder", "train")).Message,
            StringComparison.Ordinal
        );
    }

    [Theory]
    [InlineData("a", "a_mask", "masks go by the names of the images with _mask")]
    [InlineData("a", "a_labels", "masks go by the names of the images with _labels")]
    [InlineData("a_sat", "a_mask", "masks go by the names of the images with _mask instead of _sat")]
    public void Suffixes_of_masks_are_taken_away_and_said(string image, string mask, string said)
    {
        Image($"images/{image}.ppm", $"images/deep/{image}.ppm");
        Mask($"masks/{mask}.png", 0, 1);
        Mask($"masks/deep/{mask}.png", 1, 0);
        Classes("sky\ntree\n");
        var set = Open();
        Assert.Equal([$"{image}.ppm {mask}.png: 0 1", $"{image}.ppm {mask}.png: 1 0"], Samples(set));
        Assert.Equal(said, Assert.Single(set.Remarks));
    }

    [Fact]
    public void Files_without_a_counterpart_are_left_out_and_said()
    {
        Two();
        Image("images/c.ppm", "images/.hidden.ppm");
        Mask("masks/d.png", 0, 0);
        Mask("masks/._a.png", 0, 0);
        Classes("sky\ntree\n");
        var set = Open();
        Assert.Equal(2, set.Count);
        Assert.Equal(
            [
                $"1 image has no label map and was left out: {folder["images/c.ppm"]}",
                $"1 label map has no image and was left out: {folder["masks/d.png"]}",
            ],
            set.Remarks
        );
        Image("images/a.bmp");
        Assert.Contains("differ in their endings alone", Refusal(), StringComparison.Ordinal);
    }

    [Fact]
    public void Masks_that_are_called_otherwise_are_refused_with_the_name_that_is_wanted()
    {
        Image("images/a.ppm");
        Mask("masks/1.png", 0, 1);
        var message = Refusal();
        Assert.Contains($"{folder["images/a.ppm"]} needs a mask {folder["masks/a.png"]}", message, StringComparison.Ordinal);
        Assert.Contains($"there is {folder["masks/1.png"]}", message, StringComparison.Ordinal);
    }

    [Fact]
    public void Classes_are_found_where_nobody_names_them()
    {
        Two("images/train", "masks/train");
        Image("images/val/c.ppm");
        Mask("masks/val/c.png", 2, 0);
        var set = Open();
        // A class of the other split is one too.
        Assert.Equal(["class 0", "class 1", "class 2"], set.ClassNames);
        Assert.StartsWith(
            "the classes are the values in the masks, 0 to 2; 255 does not count: ",
            Assert.Single(set.Remarks),
            StringComparison.Ordinal
        );
        Assert.Equal(["a.ppm a.png: 0 1", "b.ppm b.png: 1 255"], Samples(set));
        Mask("masks/val/c.png", 0, 5);
        Assert.Contains("the masks hold 0, 1 and 5, and classes that are not named must be 0, 1, 2", Refusal(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(0, 255, "the masks hold 0, 255 and no 1: ")]
    [InlineData(0, 0, "the masks hold the value 0 alone")]
    [InlineData(255, 255, "the masks hold 255 alone")]
    [InlineData(1, 2, "the masks hold 1 and 2, and classes that are not named")]
    [InlineData(0, 128, "lines as in '0: NAME'")]
    public void Values_that_could_mean_several_things_are_refused(int first, int second, string expected)
    {
        Image("images/a.ppm");
        Mask("masks/a.png", (ushort)first, (ushort)second);
        var message = Refusal();
        Assert.Contains(expected, message, StringComparison.Ordinal);
        Assert.Contains("classes.txt", message, StringComparison.Ordinal);
    }

    [Fact]
    public void White_of_two_classes_is_a_class_or_does_not_count_as_the_user_says()
    {
        Image("images/a.ppm", "images/b.ppm");
        Mask("masks/a.png", 0, 255);
        Mask("masks/b.png", 0, 0);
        Classes("background\ncar\n");
        var message = Refusal();
        Assert.Contains($"{folder["masks/a.png"]} and others hold 255 and no 1: ", message, StringComparison.Ordinal);
        Assert.Contains(
            "'0: background' and '255: car', or '0: background', '1: car' and '255: ignored'",
            message,
            StringComparison.Ordinal
        );
        Classes("0: background\n255: car\n");
        Assert.Equal(["a.ppm a.png: 0 1", "b.ppm b.png: 0 0"], Samples(Open()));
        Classes("0: background\n1: car\n255: ignored\n");
        Assert.Equal([0, 255], ((LabelMaps)Open().Annotations)[0].Ids);
        Classes("background #000000\ncar #ffffff\n");
        var set = Open();
        Assert.Equal([0, 1], ((LabelMaps)set.Annotations)[0].Ids);
        Assert.StartsWith("classes go by the levels of grey in", Assert.Single(set.Remarks), StringComparison.Ordinal);
        // A mask with a 1 settles it.
        Classes("background\ncar\n");
        Mask("masks/b.png", 0, 1);
        Assert.Equal([0, 255], ((LabelMaps)Open().Annotations)[0].Ids);
    }

    [Fact]
    public void Lines_give_values_with_gaps_and_values_that_do_not_count()
    {
        Two();
        Mask("masks/b.png", 13, 300 % 256);
        Classes("0: ignored\n1: person\n13: stop sign\n44: person\n");
        var set = Open();
        Assert.Equal(["person", "stop sign"], set.ClassNames);
        Assert.Equal(["a.ppm a.png: 255 0", "b.ppm b.png: 1 0"], Samples(set));
        // Every line begins with a number: it is none of the name, whatever stands behind it.
        Classes("0 ignored\n1\tperson\n13=stop sign\n");
        Assert.Equal(["person", "stop sign"], Open().ClassNames);
        Classes("0 stop sign\n1 2nd lane\n13 lane 3\n44 0 lanes\n");
        Assert.Equal(["stop sign", "2nd lane", "lane 3", "0 lanes"], Open().ClassNames);
        Classes("3 way junction\nroad\n");
        Assert.Equal(["3 way junction", "road"], Open().ClassNames);
        Classes("ignored\nsky\ntree\n");
        Assert.Equal([255, 0], ((LabelMaps)Open().Annotations)[0].Ids);
        Assert.Contains(
            "value 13 (1 pixel), 44",
            Assert.ThrowsAny<DataException>(() => Samples(Open())).Message.Replace("values", "value", StringComparison.Ordinal),
            StringComparison.Ordinal
        );
    }

    [Fact]
    public void Colours_are_looked_up_in_the_table_of_classes()
    {
        Image("images/a.ppm", "images/b.ppm");
        Mask("masks/a.png", 0, 0, 0, 255, 0, 0);
        Mask("masks/b.png", 0, 255, 0, 255, 255, 255);
        Assert.Contains("no table says which class each is: write a file classes.txt", Refusal(), StringComparison.Ordinal);
        Assert.Contains("it holds #000000 (1 pixels), #ff0000 (1 pixels)", Refusal(), StringComparison.Ordinal);
        foreach (
            var text in (string[])
                [
                    "road 0 0 0\ncar 255 0 0\ntree 0 255 0\nignored 255 255 255\n",
                    "0 0 0\troad\n255 0 0\tcar\n0 255 0 tree\n255, 255, 255: Ignore\n",
                    "#000000 road\n#FF0000 car\n#00ff00 tree\n#ffffff ignored\n",
                    "0: road #000000\n1: car #ff0000\n2: tree #00ff00\n3: ignored #ffffff\n",
                ]
        )
        {
            Classes(text);
            var set = Open();
            Assert.Equal(["road", "car", "tree"], set.ClassNames);
            Assert.Equal(["a.ppm a.png: 0 1", "b.ppm b.png: 2 255"], Samples(set));
            Assert.Equal([(0, 0, 0), (255, 0, 0), (0, 255, 0)], ((LabelMaps)set.Annotations).Palette);
            Assert.Empty(set.Remarks);
        }
        Classes("road 0 0 0\ncar 255 0 0\ntree 0 255 0\n");
        Assert.Contains(
            $"{folder["masks/b.png"]}: colour #ffffff (1 pixel) is no class: the nearest colour of the table is #ff0000",
            Assert.ThrowsAny<DataException>(() => Samples(Open())).Message,
            StringComparison.Ordinal
        );
    }

    [Fact]
    public void Numbers_in_three_channels_are_numbers_and_said()
    {
        Image("images/a.ppm");
        Mask("masks/a.png", 0, 0, 0, 1, 1, 1);
        Assert.Equal(["class 0", "class 1"], Open().ClassNames);
        Classes("sky\ntree\n");
        var set = Open();
        Assert.Equal(["a.ppm a.png: 0 1"], Samples(set));
        Assert.StartsWith("1 mask has three channels: the level of grey is taken", Assert.Single(set.Remarks), StringComparison.Ordinal);
    }

    [Fact]
    public void Palettes_are_indices_unless_their_colours_say_otherwise()
    {
        Image("images/a.ppm", "images/b.ppm");
        Indexed("masks/a.png", [.. red, .. green], 0, 1);
        Indexed("masks/b.png", [.. red, .. green], 1, 255);
        var found = Open();
        Assert.Equal(["a.ppm a.png: 0 1", "b.ppm b.png: 1 255"], Samples(found));
        Assert.Equal([(255, 0, 0), (0, 255, 0)], ((LabelMaps)found.Annotations).Palette);
        Classes("car #ff0000\ntree #00ff00\n");
        Assert.Empty(Open().Remarks);
        Assert.Equal([0, 1], ((LabelMaps)Open().Annotations)[0].Ids);
        // Another order: a program that makes files small writes palettes like this.
        Classes("tree #00ff00\ncar #ff0000\n");
        Mask("masks/b.png", 0, 255, 0, 255, 0, 0);
        var byColor = Open();
        Assert.Equal(["a.ppm a.png: 1 0", "b.ppm b.png: 0 1"], Samples(byColor));
        Assert.StartsWith("some masks hold colours and others", Assert.Single(byColor.Remarks), StringComparison.Ordinal);
        Indexed("masks/b.png", [.. green, .. red], 1, 0);
        Assert.Equal(["a.ppm a.png: 1 0", "b.ppm b.png: 1 0"], Samples(Open()));
        Assert.StartsWith("the palettes of the masks have another order", Assert.Single(Open().Remarks), StringComparison.Ordinal);
        // Without colours in the list, the index counts, and that is said.
        Classes("car\ntree\n");
        Assert.Contains("differ: the index is taken for the class", Assert.Single(Open().Remarks), StringComparison.Ordinal);
        File.Delete(folder["classes.txt"]);
        Assert.Contains("the index 0 has another colour in", Refusal(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("sky\nsky\n", "line 2: 'sky' is there twice")]
    [InlineData("sky\n", "there must be at least 2 classes, and the background is one: here is 1")]
    [InlineData("0: sky\ntree\n", "line 2: it lacks a value in front, as in 3: tree, and line 1 has one")]
    [InlineData("sky\ntree #00ff00\n", "line 2: it has a colour, as in tree #00ff00 or tree 0 255 0, and line 1 has none")]
    [InlineData("0: sky\n0: tree\n", "line 2: the value 0 is there twice")]
    [InlineData("sky #000000\ntree #000000\n", "line 2: the colour #000000 is there twice")]
    [InlineData("sky 0 0 256\ntree 0 0 1\n", "line 1: 256 must be at most 255")]
    [InlineData("0: sky\n70000: tree\n", "line 2: 70000 must be at most 65535")]
    [InlineData("# classes\nsky\n", "line 1 begins with # and is no colour of six digits")]
    [InlineData("0:\n1: sky\n", "line 1 has no name of a class")]
    [InlineData("\n", "the file must name a class a line")]
    public void Lists_of_classes_that_contradict_themselves_are_refused(string text, string expected)
    {
        Two();
        Classes(text);
        var message = Refusal();
        Assert.StartsWith(folder["classes.txt"], message, StringComparison.Ordinal);
        Assert.Contains(expected, message, StringComparison.Ordinal);
    }

    [Fact]
    public void Masks_that_cannot_be_read_are_refused_and_left_to_a_check()
    {
        Two();
        folder.Write("masks/b.jpg", [0xFF, 0xD8, 0xFF, 0xE0, 0, 0]);
        File.Delete(folder["masks/b.png"]);
        Assert.StartsWith($"{folder["masks/b.jpg"]}: a label map in a JPEG file", Refusal(), StringComparison.Ordinal);
        Classes("sky\ntree\n");
        Assert.StartsWith($"{folder["masks/b.jpg"]}: a label map in a JPEG file", Refusal(), StringComparison.Ordinal);
        var opened = Datasets.Find("segmentation_folder").OpenLeniently!("train", folder.Path);
        Assert.Equal(2, opened.Count);
        Assert.Equal(folder["masks/b.jpg"], ((LabelMaps)opened.Annotations).MapFile(1));
    }

    [Fact]
    public void Masks_follow_images_into_batches()
    {
        using var scope = new Scope();
        Two();
        Classes("sky\ntree\n");
        var loader = new Loading.Loader((ImageDataset)Open(), new([]), new(2) { Workers = 0 });
        var batch = loader.Epoch(0).Single();
        Assert.Equal([2, 1, 2], MaskTargets.Of(batch).Ids.Shape.ToArray());
        Assert.Equal([0L, 1, 1, 255], MaskTargets.Of(batch).Ids.ToArray<long>());
    }
}
