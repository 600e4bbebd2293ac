using Tessera.Data.Images;
using Tessera.Data.Imaging;

namespace Tessera.Data.Sets;

/// <summary>Pictures of one's own of which nothing is known but themselves: files in a folder, at any depth, or files of a list.</summary>
internal static class Pictures
{
    private const string Name = "pictures",
        Training = "train";

    internal static DatasetKind Kind { get; } =
        new(
            Name,
            "pictures of your own without labels: files at any depth of a folder, of SPLIT/... or of lists SPLIT.txt",
            OwnParts.Splits,
            Name,
            (split, root) => Open(split, root)
        )
        {
            OpenStoppable = Open,
            SplitsIn = root => OwnParts.InOrder(Parts(root).Keys),
            HoldsOut = true,
        };

    private static FileImages Open(string split, string? root, CancellationToken stop = default)
    {
        if (root is null)
            throw new DataException($"{Name}: data.root must name the folder");
        var parts = Parts(root);
        var part = parts[OwnParts.Choose(Name, root, split, parts.Keys)];
        var scan = File.Exists(part) ? null : new FolderScan(part, stop: stop);
        var paths = scan?.All() ?? Listed(part, root, stop);
        if (paths.Count == 0)
            throw new DataException($"{Name} ({split}): {part} holds no image ({string.Join(", ", ImageDecoder.Extensions)})");
        return new(Name, split, paths, new Unlabelled(paths.Count))
        {
            Remarks = [.. scan?.Remarks ?? [], .. LeftOut(scan?.OtherEndings), .. part == root || scan is null ? [] : Beside(root)],
        };
    }

    // The folder or the list of each split; one folder for all where there are no splits.
    private static Dictionary<string, string> Parts(string root)
    {
        var (folders, lists) = (SplitNames.Folders(Name, root), SplitNames.Lists(root));
        if (folders.Count > 0 && lists.Count > 0)
            throw new DataException(
                $"{Name}: {folders.Values.First()} and {lists.Values.First()} are both there: splits must be folders or lists, not both"
            );
        if (lists.Count > 0)
            return lists;
        if (folders.Count == 0)
            return new() { [OwnParts.Whole] = root };
        // Without a folder to learn from, a folder called test may be a subject of pictures like any other.
        if (!folders.ContainsKey(Training) && Others(root).FirstOrDefault() is { } other)
            throw new DataException(
                $"{Name}: {root} holds {Path.GetFileName(folders.Values.First())}, which is the name of a split, and "
                    + $"{Path.GetFileName(other)}, but no folder {Training}: rename the first, or move what is learned from into {Training}"
            );
        return folders;
    }

    private static IEnumerable<string> Others(string root) =>
        [
            .. FolderScan
                .Subfolders(root)
                .Where(name => SplitNames.Of(name.ToLowerInvariant()) is null)
                .Select(name => Path.Combine(root, name)),
            .. FolderScan.Files(root),
        ];

    private static string[] Beside(string root) =>
        Others(root).ToArray() switch
        {
            [] => [],
            [var only] => [$"{only} lies beside the folders of splits and was left out"],
            [var first, .. var more] => [$"{first} and {more.Length} more lie beside the folders of splits and were left out"],
        };

    /// <summary>What a scan has passed over, since its ending is not that of an image.</summary>
    // Files of cameras that no decoder here reads are as many as the others in some folders.
    internal static string[] LeftOut(IReadOnlyDictionary<string, int>? endings)
    {
        if (endings is not { Count: > 0 })
            return [];
        var named = string.Join(", ", endings.Select(ending => $"{(ending.Key.Length > 0 ? ending.Key : "none")} ({ending.Value})"));
        return endings.Values.Sum() is var count and > 1
            ? [$"{count} files were left out, since their endings are not that of an image: {named}"]
            : [$"1 file was left out, since its ending is not that of an image: {named}"];
    }

    // Paths below the folder, or whole ones.
    private static List<string> Listed(string list, string root, CancellationToken stop)
    {
        var lines = DataFiles.Lines(list);
        var escaped = lines.Contains(SampleNameEscapes.Notice);
        var found = new Dictionary<string, int>();
        foreach (var (number, line) in lines.Index())
        {
            stop.ThrowIfCancellationRequested();
            var name = line.Trim();
            if (name.Length == 0 || name[0] == '#')
                continue;
            if (escaped)
                name = SampleNameEscapes.Read(name) ?? throw Wrong(number, $"'{name}' has a backslash that begins no escape");
            var path = Path.Combine(root, name);
            if (!File.Exists(path))
                throw Wrong(number, $"there is no file {path}");
            if (!found.TryAdd(path, number))
                throw Wrong(number, $"'{name}' was in line {found[path] + 1} already");
        }
        return [.. found.Keys];

        DataFormatException Wrong(int number, string problem) => new(list, null, $"line {number + 1}: {problem}");
    }
}
