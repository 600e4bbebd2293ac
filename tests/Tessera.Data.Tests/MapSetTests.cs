using Tessera.Data.Sets;
using Tessera.Testing;

namespace Tessera.Data.Tests;

/// <summary>Published sets of label maps, in the folders that their archives have.</summary>
public sealed class MapSetTests : IDisposable
{
    private static readonly byte[] photograph = "P5 2 1 255\n77"u8.ToArray();

    private readonly TempFolder folder = new(inMemory: true);

    public void Dispose() => folder.Dispose();

    private void Image(params string[] names)
    {
        foreach (var name in names)
            folder.Write(name, photograph);
    }

    private void Map(string name, ushort first, ushort second, bool palette = false) =>
        folder.Write(name, ImageBytes.Png(1, 2, palette ? 3 : 0, 8, [first, second], palette ? new byte[768] : null));

    private Dataset Open(string name, string split) => Datasets.Open(name, split, folder.Path);

    private static string[] Samples(Dataset set) =>
        [
            .. Enumerable
                .Range(0, set.Count)
                .Select(i =>
                    $"{Path.GetFileNameWithoutExtension(set.SampleName(i))}: {string.Join(' ', ((LabelMaps)set.Annotations)[i].Ids)}"
                ),
        ];

    private string Refusal(string name, string split) => Assert.ThrowsAny<DataException>(() => Open(name, split)).Message;

    [Fact]
    public void Ade20k_counts_from_one()
    {
        Image("ADEChallengeData2016/images/training/ADE_train_1.jpg", "ADEChallengeData2016/images/training/ADE_train_2.jpg");
        Image("ADEChallengeData2016/images/training/ADE_train_3.jpg");
        Map("ADEChallengeData2016/annotations/training/ADE_train_1.png", 0, 150);
        Map("ADEChallengeData2016/annotations/training/ADE_train_2.png", 1, 151);
        Map("ADEChallengeData2016/annotations/training/ADE_train_4.png", 1, 1);
        var set = Open("ade20k", "train");
        var maps = (LabelMaps)set.Annotations;
        Assert.Equal((2, 150, 150, "wall"), (set.Count, maps.ClassNames.Count, maps.Palette!.Count, maps.ClassNames[0]));
        Assert.Equal([255, 149], maps[0].Ids);
        Assert.Equal(
            $"{maps.MapFile(1)}: value 151 (1 pixel) is no class: values must be 0 to 150 and 255",
            Assert.ThrowsAny<DataException>(() => maps[1]).Message
        );
        Assert.Equal("the split was published with 20210 images, and here are 2", set.Remarks[0]);
        Assert.StartsWith("1 image has no label map and was left out: ", set.Remarks[1], StringComparison.Ordinal);
        Assert.EndsWith("ADE_train_3.jpg", set.Remarks[1], StringComparison.Ordinal);
        Assert.StartsWith("1 label map has no image and was left out: ", set.Remarks[2], StringComparison.Ordinal);
        Assert.EndsWith("ADE_train_4.png", set.Remarks[2], StringComparison.Ordinal);
        Assert.Equal(3, set.Remarks.Count);
        Assert.Contains("no images/validation with annotations/validation in", Refusal("ade20k", "val"), StringComparison.Ordinal);
        Assert.Equal(
            "ade20k has no labels for the split 'test': the labels of its images are not published; measure on val",
            Refusal("ade20k", "test")
        );
        Assert.Equal("val", Datasets.MeasuredSplit("ade20k"));
    }

    [Fact]
    public void Cityscapes_has_ids_or_prepared_classes()
    {
        Image("leftImg8bit/val/ulm/ulm_0_1_leftImg8bit.png", "leftImg8bit/val/bonn/bonn_0_2_leftImg8bit.png");
        Map("gtFine/val/ulm/ulm_0_1_gtFine_labelIds.png", 7, 34);
        Map("gtFine/val/bonn/bonn_0_2_gtFine_labelIds.png", 33, 4);
        Map("gtFine/val/bonn/bonn_0_2_gtFine_instanceIds.png", 33, 4);
        var set = Open("cityscapes", "val");
        Assert.Equal(["bonn_0_2_leftImg8bit: 18 255", "ulm_0_1_leftImg8bit: 0 255"], Samples(set));
        Assert.Equal(19, set.ClassNames.Count);
        Assert.Equal((128, 64, 128), ((LabelMaps)set.Annotations).Palette![0]);
        Map("gtFine/val/ulm/ulm_0_1_gtFine_labelTrainIds.png", 3, 255);
        Map("gtFine/val/bonn/bonn_0_2_gtFine_labelTrainIds.png", 18, 19);
        set = Open("cityscapes", "val");
        Assert.Equal([3, 255], ((LabelMaps)set.Annotations)[1].Ids);
        Assert.Contains("value 19 (1 pixel)", Assert.ThrowsAny<DataException>(() => Samples(set)).Message, StringComparison.Ordinal);
        Assert.Contains("its label maps hold nothing but ignored pixels", Refusal("cityscapes", "test"), StringComparison.Ordinal);
    }

    [Fact]
    public void Acdc_is_opened_whole_or_by_its_weather()
    {
        foreach (var (i, weather) in ((string[])["fog", "night", "rain", "snow"]).Index())
        {
            Image($"rgb_anon/{weather}/train/GP1/f{i}_rgb_anon.png", $"rgb_anon/{weather}/train_ref/GP1/r_rgb_ref_anon.png");
            Map($"gt/{weather}/train/GP1/f{i}_gt_labelTrainIds.png", (ushort)i, 255);
            Map($"gt/{weather}/train/GP1/f{i}_gt_labelIds.png", 7, 0);
        }
        Assert.Equal(
            ["f0_rgb_anon: 0 255", "f1_rgb_anon: 1 255", "f2_rgb_anon: 2 255", "f3_rgb_anon: 3 255"],
            Samples(Open("acdc", "train"))
        );
        var snow = Open("acdc", "train_snow");
        Assert.Equal(["f3_rgb_anon: 3 255"], Samples(snow));
        Assert.Equal("the split was published with 400 images, and here are 1", Assert.Single(snow.Remarks));
        Assert.Contains("no rgb_anon/fog/val", Refusal("acdc", "val"), StringComparison.Ordinal);
    }

    [Fact]
    public void Nyu_depth_has_forty_classes_or_thirteen()
    {
        folder.Write("nyu_depth_v2_labeled.mat", "");
        Assert.Contains(
            "is a file of MATLAB 7.3 (HDF5), which is not read: extract it to",
            Refusal("nyuv2", "train"),
            StringComparison.Ordinal
        );
        Image("image/1.png", "image/2.png", "image/3.png");
        Map("label40/1.png", 0, 40);
        Map("label40/3.png", 4, 22);
        folder.Write("train.txt", "3\n1.png\n");
        Assert.Equal(["3: 3 21", "1: 255 39"], Samples(Open("nyuv2", "train")));
        // A bed, a ceiling, and what has no other name.
        Assert.Equal(["3: 0 2", "1: 255 6"], Samples(Open("nyuv2_13", "train")));
        Assert.Equal("bed", Open("nyuv2_13", "train").ClassNames[0]);
        Map("label13/1.png", 13, 0);
        Map("label13/3.png", 1, 2);
        Assert.Equal(["3: 0 1", "1: 12 255"], Samples(Open("nyuv2_13", "train")));
        folder.Write("train.txt", "2\n");
        Assert.Contains("train.txt: '2' is named, and there is no label map", Refusal("nyuv2", "train"), StringComparison.Ordinal);
        folder.Write("train.txt", "9\n");
        Assert.Contains("train.txt: '9' is named, and there is no image", Refusal("nyuv2", "train"), StringComparison.Ordinal);
    }

    [Fact]
    public void Every_class_of_forty_is_one_of_thirteen()
    {
        folder.Write("test.txt", string.Concat(Enumerable.Range(1, 40).Select(i => $"{i}\n")));
        for (ushort i = 1; i <= 40; i++)
        {
            Image($"image/{i}.png");
            Map($"label40/{i}.png", i, 0);
        }
        var (forty, thirteen) = (Open("nyuv2", "test"), Open("nyuv2_13", "test"));
        var classes = Enumerable
            .Range(0, 40)
            .ToDictionary(
                i => forty.ClassNames[((LabelMaps)forty.Annotations)[i].Ids[0]],
                i => thirteen.ClassNames[((LabelMaps)thirteen.Annotations)[i].Ids[0]]
            );
        Assert.Equal(13, classes.Values.Distinct().Count());
        foreach (var same in (string[])["wall", "floor", "bed", "chair", "sofa", "table", "window", "ceiling", "books", "picture"])
            Assert.Equal(same, classes[same]);
        Assert.Equal(("table", "tv", "furniture"), (classes["desk"], classes["television"], classes["dresser"]));
    }

    [Fact]
    public void Pascal_voc_goes_by_the_index_of_the_palette()
    {
        const string root = "VOCdevkit/VOC2012";
        Image($"{root}/JPEGImages/a.jpg", $"{root}/JPEGImages/b.jpg", $"{root}/JPEGImages/c.jpg");
        Map($"{root}/SegmentationClass/a.png", 20, 255, palette: true);
        Map($"{root}/SegmentationClass/b.png", 0, 1, palette: true);
        foreach (var (split, names) in ((string, string)[])[("train", "a\n"), ("val", "b\n"), ("trainval", "a\nb\n")])
            folder.Write($"{root}/ImageSets/Segmentation/{split}.txt", names);
        Assert.Equal(["a: 20 255"], Samples(Open("voc2012", "train")));
        Assert.Equal(["b: 0 1"], Samples(Open("voc2012", "val")));
        Assert.Equal(2, Open("voc2012", "trainval").Count);
        Assert.Contains("no JPEGImages with SegmentationClassAug", Refusal("voc2012", "trainaug"), StringComparison.Ordinal);
        Map($"{root}/SegmentationClassAug/a.png", 2, 3);
        Map($"{root}/SegmentationClassAug/b.png", 2, 3);
        Map($"{root}/SegmentationClassAug/c.png", 4, 5);
        var augmented = Open("voc2012", "trainaug");
        Assert.Equal(["a: 2 3", "c: 4 5"], Samples(augmented));
        Assert.Contains("there is no list of trainaug", augmented.Remarks[1], StringComparison.Ordinal);
        folder.Write($"{root}/ImageSets/Segmentation/train_aug.txt", "/JPEGImages/c.jpg /SegmentationClassAug/c.png\n");
        Assert.Equal(["c: 4 5"], Samples(Open("voc2012", "trainaug")));
    }

    [Fact]
    public void Lip_knows_left_from_right()
    {
        Image("TrainVal_images/train_images/1_2.jpg");
        Map("TrainVal_parsing_annotations/TrainVal_parsing_annotations/train_segmentations/1_2.png", 14, 19);
        folder.Write("TrainVal_images/train_id.txt", "1_2\n");
        var set = Open("lip", "train");
        Assert.Equal(["1_2: 14 19"], Samples(set));
        var pairs = ((LabelMaps)set.Annotations).FlipPairs.Select(pair => (set.ClassNames[pair.First], set.ClassNames[pair.Second]));
        Assert.Equal([("Left-arm", "Right-arm"), ("Left-leg", "Right-leg"), ("Left-shoe", "Right-shoe")], pairs);
        Assert.Contains("no val_id.txt with TrainVal_images/val_images", Refusal("lip", "val"), StringComparison.Ordinal);
    }

    [Fact]
    public void Coco_stuff_has_no_gaps()
    {
        Image("train2017/1.jpg", "train2017/2.jpg");
        Map("stuffthingmaps/train2017/1.png", 0, 181);
        Map("stuffthingmaps/train2017/2.png", 91, 255);
        var set = Open("coco_stuff", "train");
        Assert.Equal(["1: 0 170", "2: 80 255"], Samples(set));
        Assert.Equal(171, set.ClassNames.Count);
        Assert.Equal(171, set.ClassNames.Distinct().Count());
        Assert.Equal(
            ("person", "toothbrush", "banner", "wood"),
            (set.ClassNames[0], set.ClassNames[79], set.ClassNames[80], set.ClassNames[170])
        );
        // Every value is the class of its category.
        var rule = ((LabelMaps)set.Annotations).Rule!;
        Assert.All(LabelTables.Coco, category => Assert.Equal(category.Name, set.ClassNames[rule.ClassOf(category.Id - 1)]));
        Assert.Equal(11, Enumerable.Range(0, 182).Count(value => rule.ClassOf(value) == LabelRule.Unknown));
        Map("stuffthingmaps/train2017/1_labelTrainIds.png", 1, 2);
        Assert.Equal(["1: 0 170", "2: 80 255"], Samples(Open("coco_stuff", "train")));
        File.Delete(folder["stuffthingmaps/train2017/1.png"]);
        File.Delete(folder["stuffthingmaps/train2017/2.png"]);
        Assert.Equal(["1: 1 2"], Samples(Open("coco_stuff", "train")));
    }

    [Fact]
    public void The_small_coco_stuff_has_matrices()
    {
        Image("images/COCO_train2014_1.jpg");
        folder.Write("annotations/COCO_train2014_1.mat", MatWriter.Matrix("S", 1, 2, [0, 182]));
        folder.Write("imageLists/test.txt", "COCO_train2014_1\n");
        Assert.Equal(["COCO_train2014_1: 255 170"], Samples(Open("coco_stuff_10k", "test")));
    }

    [Fact]
    public void Camvid_goes_by_its_lists_in_any_form()
    {
        Image("train/a.png", "train/b.jpg");
        Map("trainannot/a.png", 10, 11);
        Map("trainannot/b.png", 0, 12);
        Assert.Equal(2, Open("camvid", "train").Count);
        folder.Write("train.txt", "/SegNet/CamVid/train/a.png /SegNet/CamVid/trainannot/a.png\n");
        var set = Open("camvid", "train");
        Assert.Equal(["a: 10 255"], Samples(set));
        Assert.Equal(11, set.ClassNames.Count);
        folder.Write("train.txt", "b\n");
        Assert.Contains(
            "value 12 (1 pixel)",
            Assert.ThrowsAny<DataException>(() => Samples(Open("camvid", "train"))).Message,
            StringComparison.Ordinal
        );
        folder.Write("train.txt", "a b c\n");
        Assert.Contains("line 1 is 'a b c'", Refusal("camvid", "train"), StringComparison.Ordinal);
        folder.Write("train.txt", "a\na\n");
        Assert.Contains("line 2: 'a' comes a second time", Refusal("camvid", "train"), StringComparison.Ordinal);
    }

    [FileFact("ADEChallengeData2016/annotations/validation/ADE_val_00000001.png")]
    public void Ade20k_where_it_is_there_is_complete() => Complete("ade20k", ("train", 20_210), ("val", 2_000));

    [FileFact("cityscapes/gtFine/val/munster/munster_000173_000019_gtFine_labelIds.png")]
    public void Cityscapes_where_it_is_there_is_complete() => Complete("cityscapes", ("train", 2_975), ("val", 500));

    [FileFact("VOCdevkit/VOC2012/ImageSets/Segmentation/train.txt")]
    public void Pascal_voc_where_it_is_there_is_complete() => Complete("voc2012", ("train", 1_464), ("val", 1_449), ("trainval", 2_913));

    [FileFact("LIP/TrainVal_images/train_id.txt")]
    public void Lip_where_it_is_there_is_complete() => Complete("lip", ("train", 30_462), ("val", 10_000));

    [FileFact("coco/stuffthingmaps/val2017/000000000139.png")]
    public void Coco_stuff_where_it_is_there_is_complete() => Complete("coco_stuff", ("train", 118_287), ("val", 5_000));

    [FileFact("camvid/test.txt")]
    public void Camvid_where_it_is_there_is_complete() => Complete("camvid", ("train", 367), ("val", 101), ("test", 233));

    private static void Complete(string name, params (string Split, int Count)[] published)
    {
        foreach (var (split, count) in published)
        {
            var set = Datasets.Open(name, split);
            Assert.Equal(count, set.Count);
            Assert.Empty(set.Remarks);
            var maps = (LabelMaps)set.Annotations;
            for (var i = 0; i < count; i += count / 20)
                Assert.Contains(maps[i].Ids, id => id < maps.ClassNames.Count);
        }
    }
}
