using Tessera.Data.Images;

namespace Tessera.Data.Sets;

/// <summary>
/// Pascal VOC 2012 (Everingham et al., 2015): 20 kinds of objects and the background. Maps are palette files whose index is the class;
/// borders do not count.
/// </summary>
internal static class PascalVoc
{
    private const string Lists = "ImageSets/Segmentation",
        Augmented = "trainaug",
        Maps = "SegmentationClass",
        MoreMaps = "SegmentationClassAug";

    private static readonly MapSet set = new(
        "voc2012",
        LabelTables.PascalVoc,
        LabelRule.Plain(LabelTables.PascalVoc.Count),
        LabelPalette.Of(LabelTables.PascalVoc.Count)
    );

    internal static DatasetKind Kind { get; } =
        new(
            set.Name,
            "Pascal VOC 2012: 2,913 photographs with label maps, 21 classes; trainaug has 10,582 with those of SBD",
            ["train", "val", "trainval", Augmented],
            "VOCdevkit/VOC2012",
            Open
        )
        {
            Disjoint = ["train", "val"],
            Withheld = MapSet.Test("the labels of its images are not published; measure on val"),
        };

    private static FileImages Open(string split, string? root)
    {
        var folder = set.Find(root, ["VOCdevkit/VOC2012", "VOC2012"], "JPEGImages", split == Augmented ? MoreMaps : Maps, Lists);
        var images = Path.Combine(folder, "JPEGImages");
        string List(string name) => Path.Combine(folder, Lists, $"{name}.txt");
        if (split != Augmented)
            return set.Open(
                split,
                MapSet.Listed(List(split), images, Path.Combine(folder, Maps)),
                folder,
                split switch
                {
                    "train" => 1_464,
                    "val" => 1_449,
                    _ => 2_913,
                }
            );
        string[] maps = [Path.Combine(folder, MoreMaps), Path.Combine(folder, Maps)];
        var list = ((string[])[Augmented, "train_aug"]).Select(List).FirstOrDefault(File.Exists);
        var pairs = list is not null ? MapSet.Listed(list, images, maps) : WithoutList(images, maps[0], List("val"));
        return set.Open(split, pairs, folder, 10_582);
    }

    // Every map but those that models are measured on.
    private static MapPairs WithoutList(string images, string maps, string measured)
    {
        var held = MapSet.Names(measured).ToHashSet(StringComparer.Ordinal);
        var (own, theirs) = (Keys(FolderScan.Files(images)), Keys(FolderScan.Files(maps)));
        var pairs = MapPairs.Match([.. own.Where(file => theirs.Any(map => map.Key == file.Key))], theirs);
        return pairs with { Remarks = [$"there is no list of {Augmented}: it is all of {maps} but val", .. pairs.Remarks] };

        (string Key, string Path)[] Keys(IEnumerable<string> files) =>
            [.. files.Select(path => (Path.GetFileNameWithoutExtension(path), path)).Where(file => !held.Contains(file.Item1))];
    }
}
