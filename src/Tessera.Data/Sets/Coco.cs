using Tessera.Data.Images;

namespace Tessera.Data.Sets;

/// <summary>COCO 2017 (Lin et al., 2014): photographs with boxes and masks of 80 kinds of objects.</summary>
internal static class Coco
{
    private const string Name = "coco";

    internal static DatasetKind Kind { get; } =
        new(Name, "COCO 2017: 123,287 photographs with boxes and masks, 80 classes", ["train", "val"], Name, (split, root) =>
            Open(split, root, lenient: false)
        )
        {
            OpenStoppable = (split, root, stop) => Open(split, root, lenient: false, stop),
            OpenLeniently = (split, root) => Open(split, root, lenient: true),
            Withheld = MapSet.Test("the labels of its images are not published; measure on val"),
        };

    private static FileImages Open(string split, string? root, bool lenient, CancellationToken stop = default)
    {
        var (part, start) = ($"{split}2017", root ?? Datasets.Cache);
        var list = $"annotations/instances_{part}.json";
        string[] folders = [.. root is null ? [] : (string[])[start], Path.Combine(start, Name)];
        foreach (var folder in folders)
        foreach (var images in (string[])[part, $"images/{part}"])
        {
            var (file, own) = (Path.Combine(folder, list), Path.Combine(folder, images));
            if (!File.Exists(file) || !Directory.Exists(own))
                continue;
            var set = CocoFiles.Read(Name, split, file, [own], lenient, stop);
            var published = split == "train" ? 118_287 : 5_000;
            return (
                set with
                {
                    Orient = false,
                    Remarks =
                        set.Images.Count == published
                            ? []
                            : [$"the split was published with {published} images, and here are {set.Images.Count}"],
                }
            ).Open(file);
        }
        throw new DataException(
            $"{Name}: no {list} with {part} or images/{part} in {string.Join(" or ", folders)}: let data.root name the folder that holds "
                + "annotations"
        );
    }
}
