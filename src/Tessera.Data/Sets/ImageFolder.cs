using Tessera.Data.Images;
using Tessera.Data.Imaging;

namespace Tessera.Data.Sets;

/// <summary>Images of one's own in a folder per class.</summary>
internal static class ImageFolder
{
    private const string Name = "image_folder",
        Training = "train",
        Whole = "all";

    internal static DatasetKind Kind { get; } =
        new(
            Name,
            "a folder of your own: SPLIT/CLASS/.../FILE, or CLASS/.../FILE without splits",
            [.. SplitNames.All, Whole],
            "images",
            (split, root) => Open(split, root, mayLackImages: false)
        )
        {
            OpenStoppable = (split, root, stop) => Open(split, root, mayLackImages: false, stop),
            SplitsIn = root => HasSplits(root) ? SplitNames.Present(Name, root) : [Whole],
            OpenLeniently = (split, root) => Open(split, root, mayLackImages: true),
        };

    private static FileImages Open(string split, string? root, bool mayLackImages, CancellationToken stop = default)
    {
        if (root is null)
            throw new DataException($"{Name}: data.root must name the folder");
        if (!HasSplits(root))
            // Without splits all images are there to learn from; what is measured must be chosen.
            return split is Training or Whole
                ? Read(Name, split, root, mayLackImages: mayLackImages, stop: stop)
                : throw new DataException(
                    $"{Name}: {root} has no split '{split}', and its folders are taken for classes: hold out a part of the images with "
                        + "data.split=minitrain and evaluation.split=minival, or name all of them with the split all"
                );
        var folders = SplitNames.Folders(Name, root);
        if (SplitNames.Of(split) is [var part, ..] && folders.TryGetValue(part, out var folder))
            return Read(Name, split, folder, mayLackImages: mayLackImages, stop: stop);
        throw new DataException(
            $"{Name}: {root} has no folder {split}: its splits are {string.Join(", ", SplitNames.Present(Name, root))}"
        );
    }

    // A folder may be called like a split and be a class all the same, among other classes.
    private static bool HasSplits(string root)
    {
        var folders = SplitNames.Folders(Name, root);
        if (folders.Count == 0 || folders.ContainsKey(Training))
            return folders.Count > 0;
        if (FolderScan.Subfolders(root).FirstOrDefault(name => SplitNames.Of(name.ToLowerInvariant()) is null) is { } other)
            throw new DataException(
                $"{Name}: {root} holds {Path.GetFileName(folders.Values.First())}, which is the name of a split, and {other}, which is "
                    + $"not, but no folder {Training}: rename the first, or move the classes into {Training}"
            );
        return true;
    }

    /// <summary>
    /// A class per direct subfolder, in the order of their names; images at any depth below, by name at each level. A folder to learn
    /// from must hold images of every class.
    /// </summary>
    /// <param name="name">Name of the data set.</param>
    /// <param name="split">Which part.</param>
    /// <param name="folder">The folder of the classes.</param>
    /// <param name="normalization">Mean and deviation; ImageNet's when null.</param>
    /// <param name="mayLackImages">Whether a class without images is let pass in a folder to learn from, too.</param>
    /// <param name="stop">Ends the search.</param>
    /// <exception cref="DataException">There are no images, or a class to learn from has none.</exception>
    internal static FileImages Read(
        string name,
        string split,
        string folder,
        Normalization? normalization = null,
        bool mayLackImages = false,
        CancellationToken stop = default
    )
    {
        var scan = new FolderScan(folder, stop: stop);
        var classes = scan.Classes;
        if (classes.Length == 0)
            throw new DataException(
                $"{name} ({split}): {folder} must hold one folder per class, and holds none"
                    + (FolderScan.Files(folder).Any() ? "; images without classes are the data set pictures (data.name=pictures)" : "")
            );
        var (paths, labels) = (new List<string>(), new List<int>());
        for (var label = 0; label < classes.Length; label++)
        {
            var own = scan.Walk(Path.Combine(folder, classes[label]));
            if (own.Count == 0 && !mayLackImages && split is Training or Whole)
                throw new DataException(
                    $"{name} ({split}): the class folder {Path.Combine(folder, classes[label])} holds no image "
                        + $"({string.Join(", ", ImageDecoder.Extensions)})"
                );
            paths.AddRange(own);
            labels.AddRange(Enumerable.Repeat(label, own.Count));
        }
        if (paths.Count == 0)
            throw new DataException($"{name} ({split}): the class folders in {folder} hold no image");
        var loose = FolderScan.Files(folder).ToArray();
        return new(name, split, classes, paths, labels, normalization)
        {
            Remarks =
            [
                .. loose.Length == 0
                    ? []
                    : (string[])
                        [
                            $"{(loose.Length == 1 ? "1 image lies" : $"{loose.Length} images lie")} in no folder of a class and "
                                + $"{(loose.Length == 1 ? "was" : "were")} left out: {loose[0]}",
                        ],
                .. scan.Remarks,
            ],
        };
    }
}
