using Tessera.Data.Images;

namespace Tessera.Data.Sets;

/// <summary>Look into Person (Gong et al., 2017): parts of people, left and right apart, in 20 classes.</summary>
internal static class Lip
{
    private static readonly MapSet set = new(
        "lip",
        LabelTables.Lip,
        LabelRule.Plain(LabelTables.Lip.Count),
        LabelPalette.Of(LabelTables.Lip.Count)
    )
    {
        // Arms, legs and shoes.
        FlipPairs = [(14, 15), (16, 17), (18, 19)],
    };

    internal static DatasetKind Kind { get; } =
        new(set.Name, "LIP: 40,462 photographs of people with label maps of their parts, 20 classes", ["train", "val"], "LIP", Open)
        {
            Withheld = MapSet.Test("the labels of its images are not published; measure on val"),
        };

    private static FileImages Open(string split, string? root)
    {
        var (images, maps, list) = ($"{split}_images", $"{split}_segmentations", $"{split}_id.txt");
        const string ofImages = "TrainVal_images",
            ofMaps = "TrainVal_parsing_annotations";
        // The archives hold a folder of their own name.
        var start = root ?? Datasets.Cache;
        string[] folders = [.. root is null ? [] : (string[])[start], Path.Combine(start, "LIP"), Path.Combine(start, "lip")];
        foreach (var folder in folders)
        {
            var ours = First(folder, ofImages, images);
            var theirs = First(folder, ofMaps, maps);
            var names = ((string[])[list, $"{ofImages}/{list}", $"{ofMaps}/{list}"])
                .Select(path => Path.Combine(folder, path))
                .FirstOrDefault(File.Exists);
            if (ours is not null && theirs is not null && names is not null)
                return set.Open(split, MapSet.Listed(names, ours, theirs), folder, split == "train" ? 30_462 : 10_000);
        }
        throw new DataException(
            $"{set.Name}: no {list} with {ofImages}/{images} and {ofMaps}/{maps} in {string.Join(" or ", folders)}: let data.root name the "
                + "folder that holds them"
        );
    }

    private static string? First(string folder, string outer, string inner) =>
        ((string[])[$"{outer}/{inner}", $"{outer}/{outer}/{inner}", inner])
            .Select(path => Path.Combine(folder, path))
            .FirstOrDefault(Directory.Exists);
}
