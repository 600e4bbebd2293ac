namespace Tessera.Data.Sets;

/// <summary>A split of images and masks of one's own, or of images and other files that belong to them.</summary>
/// <param name="Images">Folder of the images.</param>
/// <param name="Masks">Folder of the masks, or of the other files.</param>
/// <param name="List">File that names the samples; null for all of them.</param>
internal sealed record MaskFolder(string Images, string Masks, string? List = null);

/// <summary>
/// How a folder of images and masks is divided: by folders around the two, by folders inside of them, by lists, or not at all.
/// </summary>
/// <param name="Parts">The splits by their usual names; the only key is <see cref="OwnParts.Whole"/> where there are none.</param>
/// <param name="WithoutMasks">Splits with images alone.</param>
/// <param name="Remarks">What was left out.</param>
internal sealed record MaskFolders(
    IReadOnlyDictionary<string, MaskFolder> Parts,
    IReadOnlyList<string> WithoutMasks,
    IReadOnlyList<string> Remarks
)
{
    private static readonly string[] imageNames = ["images", "image", "imgs", "img"],
        maskNames = ["masks", "mask", "labels", "label", "annotations", "annotation"];

    /// <summary>Looks which of the ways it is.</summary>
    /// <param name="name">Of the data set, in messages.</param>
    /// <param name="root">The folder.</param>
    /// <param name="labelNames">Names of the folders of what belongs to the images, the usual one first; those of masks when null.</param>
    /// <exception cref="DataException">None, or several.</exception>
    internal static MaskFolders Find(string name, string root, string[]? labelNames = null)
    {
        var others = labelNames ?? maskNames;
        var (images, masks) = (Subfolder(root, imageNames), Subfolder(root, others));
        var around = SplitNames
            .Folders(name, root)
            .Where(part => Subfolder(part.Value, imageNames) is not null || Subfolder(part.Value, others) is not null)
            .ToDictionary();
        if (around.Count > 0 && (images ?? masks) is { } both)
            throw new DataException(
                $"{name}: {root} holds {around.Values.First()} and {both}: splits must be around images and {others[0]}, or in them"
            );
        if (around.Count > 0)
            return Around(name, root, around, others);
        if (images is null || masks is null)
            throw new DataException(
                $"{name}: {root} must hold folders images and {others[0]}, or a folder for each split with these in it; "
                    + $"there is no folder {string.Join(" or ", images is null ? imageNames : others)}"
            );
        var (inside, lists) = (SplitNames.Folders(name, images), SplitNames.Lists(root));
        if (inside.Count > 0 && lists.Count > 0)
            throw new DataException(
                $"{name}: {inside.Values.First()} and {lists.Values.First()} are both there: splits must be folders or lists, not both"
            );
        if (lists.Count > 0)
            return new(lists.ToDictionary(list => list.Key, list => new MaskFolder(images, masks, list.Value)), [], []);
        return inside.Count > 0
            ? Inside(name, images, masks, inside)
            : new(new Dictionary<string, MaskFolder> { [OwnParts.Whole] = new(images, masks) }, [], []);
    }

    private static MaskFolders Around(string name, string root, Dictionary<string, string> around, string[] others)
    {
        var parts = new Dictionary<string, MaskFolder>();
        var bare = new List<string>();
        foreach (var (part, folder) in around)
        {
            if (Subfolder(folder, imageNames) is not { } images)
                throw new DataException($"{name}: {folder} holds {others[0]}, and no folder {string.Join(" or ", imageNames)}");
            if (Subfolder(folder, others) is { } masks)
                parts[part] = new(images, masks);
            else
                bare.Add(part);
        }
        if (parts.Count == 0)
            throw new DataException($"{name}: {around.Values.First()} holds no folder {string.Join(" or ", others)}");
        return new(
            parts,
            bare,
            [.. SplitNames.Lists(root).Values.Select(list => $"the list {list} was left aside: folders are the splits")]
        );
    }

    private static MaskFolders Inside(string name, string images, string masks, Dictionary<string, string> inside)
    {
        var theirs = SplitNames.Folders(name, masks);
        var parts = inside
            .Where(part => theirs.ContainsKey(part.Key))
            .ToDictionary(part => part.Key, part => new MaskFolder(part.Value, theirs[part.Key]));
        if (parts.Count == 0)
            throw new DataException(
                $"{name}: {images} holds {Path.GetFileName(inside.Values.First())}, and {masks} holds no folder of this name"
            );
        var other = FolderScan.Subfolders(images).FirstOrDefault(folder => SplitNames.Of(folder.ToLowerInvariant()) is null);
        var loose = FolderScan.Files(images).FirstOrDefault();
        return new(
            parts,
            [.. inside.Keys.Except(parts.Keys)],
            [
                .. ((string?[])[other is null ? null : Path.Combine(images, other), loose])
                    .OfType<string>()
                    .Select(path => $"{path} lies in no folder of a split and was left out"),
            ]
        );
    }

    private static string? Subfolder(string folder, string[] names)
    {
        string[] found = [.. FolderScan.Subfolders(folder).Where(name => names.Contains(name.ToLowerInvariant()))];
        return found.Length <= 1
            ? found.Select(name => Path.Combine(folder, name)).FirstOrDefault()
            : throw new DataException(
                $"{Path.Combine(folder, found[0])} and {Path.Combine(folder, found[1])} are both there: one of them must go"
            );
    }
}
