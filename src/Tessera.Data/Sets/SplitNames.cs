namespace Tessera.Data.Sets;

/// <summary>Names of the parts of a data set of one's own.</summary>
internal static class SplitNames
{
    /// <summary>Names of the same part, the usual one first.</summary>
    internal static string[][] Groups { get; } =
    [
        ["train"],
        ["val", "valid", "validation"],
        ["test"],
    ];

    internal static IReadOnlyList<string> All { get; } = [.. Groups.SelectMany(names => names)];

    /// <summary>All names of the part that a name stands for; null for no part.</summary>
    internal static string[]? Of(string split) => Array.Find(Groups, names => names.Contains(split));

    /// <summary>The folder of each part in a folder, its name in any capitals; a part that is not there has none.</summary>
    /// <param name="name">Of the data set, in messages.</param>
    /// <param name="root">The folder.</param>
    /// <exception cref="DataException">A part has several folders.</exception>
    internal static Dictionary<string, string> Folders(string name, string root)
    {
        var found = new Dictionary<string, string>();
        foreach (var folder in FolderScan.Subfolders(root))
            if (Of(folder.ToLowerInvariant()) is [var part, ..] && !found.TryAdd(part, Path.Combine(root, folder)))
                throw new DataException($"{name}: {found[part]} and {Path.Combine(root, folder)} are both there: one of them must go");
        return found;
    }

    /// <summary>The list of each part in a folder: <c>train.txt</c> and so on, in any capitals.</summary>
    /// <param name="root">The folder.</param>
    /// <exception cref="DataException">A part has several lists.</exception>
    internal static Dictionary<string, string> Lists(string root)
    {
        var found = new Dictionary<string, string>();
        foreach (var path in Directory.EnumerateFiles(root).Order(StringComparer.Ordinal))
        {
            if (
                !path.EndsWith(".txt", StringComparison.OrdinalIgnoreCase)
                || Of(Path.GetFileNameWithoutExtension(path).ToLowerInvariant()) is not [var part, ..]
            )
                continue;
            if (!found.TryAdd(part, path))
                throw new DataException($"{found[part]} and {path} are both there: one of them must go");
        }
        return found;
    }

    /// <summary>The names, in small letters, of the parts that have a folder: train, validation, test.</summary>
    internal static IReadOnlyList<string> Present(string name, string root)
    {
        var folders = Folders(name, root);
        return
        [
            .. Groups.Where(names => folders.ContainsKey(names[0])).Select(names => Path.GetFileName(folders[names[0]]).ToLowerInvariant()),
        ];
    }
}
