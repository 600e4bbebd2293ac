using Tessera.Data.Images;

namespace Tessera.Data.Sets;

/// <summary>Images of one's own with any number of labels each: the same file in the folder of each of its classes.</summary>
internal static class MultiLabelFolders
{
    private const string Name = "multi_label_folder";

    internal static DatasetKind Kind { get; } =
        new(
            Name,
            "images of your own with any number of labels each: SPLIT/CLASS/.../FILE, the same file in each of its classes",
            SplitNames.All,
            "multi_label",
            (split, root) => Open(split, root)
        )
        {
            OpenStoppable = Open,
            SplitsIn = root => SplitNames.Present(Name, root),
        };

    private static FileImages Open(string split, string? root, CancellationToken stop = default)
    {
        if (root is null)
            throw new DataException($"{Name}: data.root must name the folder");
        var folders = SplitNames.Folders(Name, root);
        if (!folders.TryGetValue(SplitNames.Of(split)![0], out var own))
            throw new DataException($"{Name}: {root} must hold a folder {split} with a folder per class");
        var classes = ClassList.Of(root, folders.Values.SelectMany(FolderScan.Subfolders));
        if (FolderScan.Files(own).FirstOrDefault() is { } loose)
            throw new DataException($"{Name} ({split}): {loose} lies in no folder of a class");
        // The same name in several classes is one image.
        var images = new SortedDictionary<string, (string Path, List<int> Labels)>(StringComparer.Ordinal);
        var scan = new FolderScan(own, stop: stop);
        foreach (var name in scan.Classes)
        {
            var label = Array.IndexOf(classes, name);
            if (label < 0)
                throw new DataException($"{Name} ({split}): the folder {Path.Combine(own, name)} is none of the classes of classes.txt");
            var paths = scan.Walk(Path.Combine(own, name));
            if (paths.Count == 0)
                throw new DataException($"{Name} ({split}): the folder {Path.Combine(own, name)} holds no image");
            foreach (var path in paths)
            {
                stop.ThrowIfCancellationRequested();
                var relative = Path.GetRelativePath(Path.Combine(own, name), path);
                if (!images.TryGetValue(relative, out var known))
                    images[relative] = known = (path, []);
                else if (!AreEqual(known.Path, path))
                    throw new DataException(
                        $"{Name} ({split}): {known.Path} and {path} have the same name but not the same bytes: "
                            + "an image with several labels must be the same file in each folder, other images must have other names"
                    );
                known.Labels.Add(label);
            }
        }
        return new(
            Name,
            split,
            [.. images.Values.Select(image => image.Path)],
            new MultiLabels(classes, [.. images.Values.Select(image => image.Labels)], $"{Name} ({split})")
        )
        {
            Remarks = [.. scan.Remarks],
        };
    }

    private static bool AreEqual(string first, string second)
    {
        using var one = DataFiles.Open(first);
        using var other = DataFiles.Open(second);
        if (one.Length != other.Length)
            return false;
        var (a, b) = (new byte[1 << 16], new byte[1 << 16]);
        while (one.ReadAtLeast(a, a.Length, throwOnEndOfStream: false) is var count and > 0)
        {
            other.ReadExactly(b.AsSpan(0, count));
            if (!a.AsSpan(0, count).SequenceEqual(b.AsSpan(0, count)))
                return false;
        }
        return true;
    }
}
