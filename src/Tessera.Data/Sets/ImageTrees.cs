using System.Text.RegularExpressions;
using Tessera.Data.Images;
using Tessera.Data.Imaging;

namespace Tessera.Data.Sets;

/// <summary>
/// Images of one's own whose class is not the first folder: the folder that an image lies in, however deep, or the beginning of its name.
/// </summary>
internal static partial class ImageTrees
{
    internal static DatasetKind Folders { get; } =
        Kind("image_tree", "a folder of your own where every folder that holds images is a class: SPLIT/KIND/CLASS/FILE", (file, top) =>
            Path.GetRelativePath(top, Path.GetDirectoryName(file)!).Replace(Path.DirectorySeparatorChar, '/')
        );

    internal static DatasetKind Names { get; } =
        Kind("image_names", "files of your own whose names begin with their class: SPLIT/CLASS_NUMBER.png", (file, _) =>
            Number.Replace(Path.GetFileNameWithoutExtension(file), "")
        );

    /// <summary>A number at the end of a name, with what separates it from the rest.</summary>
    [GeneratedRegex(@"[-_. ]*[0-9]+$", RegexOptions.CultureInvariant)]
    private static partial Regex Number { get; }

    private static DatasetKind Kind(string name, string summary, Func<string, string, string> classOf) =>
        OwnParts.Kind(
            name,
            summary,
            (split, root, _, stop) => Open(name, split, root, classOf, stop),
            root => OwnParts.InOrder(Parts(name, root).Keys)
        );

    private static Dictionary<string, string> Parts(string name, string root)
    {
        var folders = SplitNames.Folders(name, root);
        return folders.ContainsKey("train") ? folders : new() { [OwnParts.Whole] = root };
    }

    private static FileImages Open(string name, string split, string? root, Func<string, string, string> classOf, CancellationToken stop)
    {
        if (root is null)
            throw new DataException($"{name}: data.root must name the folder");
        var parts = Parts(name, root);
        var folder = parts[OwnParts.Choose(name, root, split, parts.Keys)];
        var scan = new FolderScan(folder, stop: stop);
        var paths = scan.All();
        if (paths.Count == 0)
            throw new DataException($"{name} ({split}): {folder} holds no image ({string.Join(", ", ImageDecoder.Extensions)})");
        string[] own = [.. paths.Select(path => classOf(path, folder))];
        if (Array.IndexOf(own, ".") is var loose and >= 0)
            throw new DataException($"{name} ({split}): {paths[loose]} lies in no folder of a class: move it into one");
        if (Array.IndexOf(own, "") is var nameless and >= 0)
            throw new DataException($"{name} ({split}): {paths[nameless]} is a number alone: names must begin with their class");
        string[] classes = [.. own.Distinct().Order(StringComparer.Ordinal)];
        var numbers = classes.Index().ToDictionary(one => one.Item, one => one.Index, StringComparer.Ordinal);
        return new(name, split, classes, paths, [.. own.Select(one => numbers[one])]) { Remarks = [.. scan.Remarks] };
    }
}
