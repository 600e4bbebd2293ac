using Tessera.Data.Images;

namespace Tessera.Data.Sets;

/// <summary>
/// COCO-Stuff (Caesar et al., 2018): 80 kinds of things and 91 of stuff. Maps hold the numbers of categories, with the gaps of COCO.
/// </summary>
internal static class CocoStuff
{
    // Categories that were planned and never labelled, as values of the maps: one less than their numbers.
    private static readonly int[] gaps = [11, 25, 28, 29, 44, 65, 67, 68, 70, 82, 90];
    private const int Categories = 182;
    private const string Prepared = "_labelTrainIds";

    private static readonly IReadOnlyList<string> names = [.. LabelTables.Coco.Select(category => category.Name), .. LabelTables.CocoStuff];
    private static readonly int[] classes =
    [
        .. Enumerable
            .Range(0, Categories)
            .Select(value => gaps.Contains(value) ? LabelRule.Unknown : value - gaps.Count(gap => gap < value)),
    ];

    // Of the large set; the small one has numbers, and 0 where there is none.
    private static readonly LabelRule byValue = LabelRule.Of(value => Class(value)),
        byNumber = LabelRule.Of(number => number == 0 ? LabelMap.Ignored : Class(number - 1)),
        prepared = LabelRule.Plain(classes.Length - gaps.Length);

    private static readonly IReadOnlyList<(byte, byte, byte)> palette = LabelPalette.Of(names.Count, first: 1);

    private static int Class(int value) =>
        value < Categories ? classes[value]
        : value == LabelMap.Ignored ? LabelMap.Ignored
        : LabelRule.Unknown;

    internal static DatasetKind Large { get; } =
        new("coco_stuff", "COCO-Stuff: 123,287 photographs with label maps, 171 classes", ["train", "val"], "coco", (split, root) =>
            OpenLarge(split, root)
        )
        {
            OpenStoppable = OpenLarge,
            Withheld = MapSet.Test("the labels of its images are not published; measure on val"),
        };

    internal static DatasetKind Small { get; } =
        new(
            "coco_stuff_10k",
            "COCO-Stuff 10k: 10,000 photographs with label maps in MATLAB files, 171 classes",
            ["train", "test"],
            "cocostuff-10k",
            OpenSmall
        );

    private static FileImages OpenLarge(string split, string? root, CancellationToken stop = default)
    {
        var set = new MapSet("coco_stuff", names, byValue, palette);
        var part = $"{split}2017";
        var start = root ?? Datasets.Cache;
        string[] folders =
        [
            .. root is null ? [] : (string[])[start],
            .. ((string[])["coco", "coco_stuff164k", "coco_stuff"]).Select(name => Path.Combine(start, name)),
        ];
        foreach (var folder in folders)
        foreach (var images in (string[])[$"images/{part}", part])
        foreach (
            var maps in (string[])
                [
                    $"stuffthingmaps/{part}",
                    $"stuffthingmaps_trainval2017/{part}",
                    $"annotations/stuffthingmaps/{part}",
                    $"annotations/{part}",
                ]
        )
        {
            var (ours, theirs) = (Path.Combine(folder, images), Path.Combine(folder, maps));
            if (!Directory.Exists(ours) || !Directory.Exists(theirs))
                continue;
            // Programs prepare maps of classes beside those of the authors.
            var pairs = MapSet.Match(ours, theirs, skippedEnd: Prepared, stop: stop);
            var isPrepared = pairs.Pairs.Count == 0;
            if (isPrepared)
                pairs = MapSet.Match(ours, theirs, mapEnd: Prepared, stop: stop);
            return (set with { Rule = isPrepared ? prepared : byValue }).Open(split, pairs, theirs, split == "train" ? 118_287 : 5_000);
        }
        throw new DataException(
            $"{set.Name}: no images/{part} with stuffthingmaps/{part} in {string.Join(" or ", folders)}: let data.root name the folder "
                + "that holds images and stuffthingmaps"
        );
    }

    private static FileImages OpenSmall(string split, string? root)
    {
        var set = new MapSet("coco_stuff_10k", names, byNumber, palette);
        var folder = set.Find(
            root,
            ["cocostuff-10k", "coco_stuff10k", "coco_stuff_10k"],
            "images",
            "annotations",
            $"imageLists/{split}.txt"
        );
        var pairs = MapSet.Listed(
            Path.Combine(folder, "imageLists", $"{split}.txt"),
            Path.Combine(folder, "images"),
            [Path.Combine(folder, "annotations")],
            ".mat"
        );
        return set.Open(split, pairs, folder, split == "train" ? 9_000 : 1_000);
    }
}
