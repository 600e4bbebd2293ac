using Tessera.Data.Images;

namespace Tessera.Data.Sets;

/// <summary>NYU Depth v2 (Silberman et al., 2012): rooms, in 40 classes, or in 13 that they were put together to.</summary>
internal static class NyuDepth
{
    private const string Folder = "nyuv2",
        Original = "nyu_depth_v2_labeled.mat";

    // Of each of the 40 classes, from 1, as A. Handa's mapping has them.
    private static readonly int[] thirteenth =
    [
        .. ((int[])[12, 5, 6, 1, 4, 9, 10, 12, 13, 6, 8, 6, 13, 10, 6, 13, 6, 7, 7, 5]),
        .. ((int[])[7, 3, 2, 6, 11, 7, 7, 7, 7, 7, 7, 6, 7, 7, 7, 7, 7, 7, 6, 7]),
    ];

    private static readonly LabelRule fortyToThirteen = LabelRule.Of(value =>
        value is 0 or LabelMap.Ignored ? LabelMap.Ignored
        : value <= thirteenth.Length ? thirteenth[value - 1] - 1
        : LabelRule.Unknown
    );

    internal static DatasetKind Forty { get; } =
        Kind(
            new("nyuv2", LabelTables.Nyu40, LabelRule.FromOne(LabelTables.Nyu40.Count), LabelPalette.Of(LabelTables.Nyu40.Count, first: 1)),
            [("label40", null), ("labels_40", null)]
        );

    internal static DatasetKind Thirteen { get; } =
        Kind(
            new(
                "nyuv2_13",
                LabelTables.Nyu13,
                LabelRule.FromOne(LabelTables.Nyu13.Count),
                LabelPalette.Of(LabelTables.Nyu13.Count, first: 1)
            ),
            [("label13", null), ("labels_13", null), ("label40", fortyToThirteen), ("labels_40", fortyToThirteen)]
        );

    private static DatasetKind Kind(MapSet set, (string Folder, LabelRule? Rule)[] labels) =>
        new(
            set.Name,
            $"NYU Depth v2: 1,449 photographs of rooms with label maps, {set.Classes.Count} classes",
            ["train", "test"],
            Folder,
            (split, root) => Open(set, labels, split, root)
        );

    private static FileImages Open(MapSet set, (string Folder, LabelRule? Rule)[] labels, string split, string? root)
    {
        var start = root ?? Datasets.Cache;
        string[] folders = [.. root is null ? [] : (string[])[start], Path.Combine(start, Folder)];
        foreach (var folder in folders)
        foreach (var (maps, rule) in labels)
        foreach (var images in (string[])["image", "images", "rgb"])
        {
            var (list, ours, theirs) = (Path.Combine(folder, $"{split}.txt"), Path.Combine(folder, images), Path.Combine(folder, maps));
            if (File.Exists(list) && Directory.Exists(ours) && Directory.Exists(theirs))
                return (set with { Rule = rule ?? set.Rule }).Open(
                    split,
                    MapSet.Listed(list, ours, theirs),
                    folder,
                    split == "train" ? 795 : 654
                );
        }
        var unpacked =
            $"PNG files in image and {labels[0].Folder} (0 where there is no label) with lists train.txt and test.txt of their names";
        throw new DataException(
            folders.Select(folder => Path.Combine(folder, Original)).FirstOrDefault(File.Exists) is { } file
                ? $"{set.Name}: {file} is a file of MATLAB 7.3 (HDF5), which is not read: extract it to {unpacked}"
                : $"{set.Name}: no {split}.txt with image and {labels[0].Folder} in {string.Join(" or ", folders)}: data.root must name a "
                    + $"folder with {unpacked}"
        );
    }
}
