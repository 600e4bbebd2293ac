using System.Text;
using System.Text.RegularExpressions;
using Tessera.Data.Images;

namespace Tessera.Data.Sets;

/// <summary>Images of one's own with boxes or masks in COCO's JSON: a file for each split, or one for all.</summary>
internal static partial class CocoFolder
{
    private const string Name = "coco_json",
        Annotations = "annotations",
        Instances = "instances_";

    // Where the file says what it is.
    private const int HeadLength = 1 << 12;

    private static readonly string[] fields = ["\"images\"", "\"annotations\"", "\"categories\"", "\"info\"", "\"licenses\""];
    private static readonly string[] imageFolders = ["images", "image", "imgs", "img", "JPEGImages", "data"];

    /// <summary>Files of other kinds of annotations, in COCO's own archive.</summary>
    private static readonly string[] others = ["captions_", "image_info_", "panoptic_", "person_keypoints_", "stuff_"];

    [GeneratedRegex("[^A-Za-z]+")]
    private static partial Regex NoLetters { get; }

    internal static DatasetKind Kind { get; } =
        OwnParts.Kind(
            Name,
            "images of your own with boxes and masks in COCO's JSON: train.json, annotations/instances_val.json, ...",
            (split, root, lenient, stop) => Open(Name, split, root, lenient, stop),
            root => SplitsIn(Name, root)
        );

    /// <summary>A COCO file in a folder; null where there is none.</summary>
    internal static string? Evidence(string root) => Files(root).FirstOrDefault().Path;

    internal static IReadOnlyList<string> SplitsIn(string name, string root) => OwnParts.InOrder([.. Parts(name, root).Keys]);

    internal static FileImages Open(string name, string split, string? root, bool lenient, CancellationToken stop = default)
    {
        if (root is null)
            throw new DataException($"{name}: data.root must name the folder");
        var parts = Parts(name, root);
        var part = OwnParts.Choose(name, root, split, [.. parts.Keys]);
        var file = parts[part];
        var set = CocoFiles.Read(name, split, file, ImageFolders(root, file, part), lenient, stop);
        var aside = Files(root).Where(one => one.Path != file && !parts.ContainsValue(one.Path)).Select(one => one.Path).ToArray();
        return (
            set with
            {
                Remarks =
                [
                    $"boxes and masks are those of {file}",
                    .. aside.Select(path => $"the file {path} was left aside: nothing in its name says which split it is"),
                ],
            }
        ).Open(file);
    }

    // The file of each split.
    private static Dictionary<string, string> Parts(string name, string root)
    {
        var files = Files(root).ToArray();
        if (files.Length == 0)
            throw new DataException(
                $"{name}: {root} must hold a COCO file, such as train.json and val.json, {Annotations}/{Instances}train.json, or "
                    + "train/_annotations.coco.json"
            );
        var parts = new Dictionary<string, string>();
        foreach (var (path, part) in files)
            if (part is not null && !parts.TryAdd(part, path))
                throw new DataException($"{name}: {parts[part]} and {path} are both of the split {part}: one of them must go");
        if (parts.Count > 0)
            return parts;
        return files is [var only]
            ? new() { [OwnParts.Whole] = only.Path }
            : throw new DataException(
                $"{name}: {files[0].Path} and {files[1].Path} could each be the annotations: name them by their splits, or leave one"
            );
    }

    // The files of a folder, of its folder of annotations and of its folders of splits, each with its split.
    private static IEnumerable<(string Path, string? Part)> Files(string root)
    {
        var found = new List<(string Path, string? Part)>();
        var around = SplitNames.Folders(Name, root);
        foreach (var folder in (string[])[root, .. FolderScan.Subfolders(root).Where(IsAnnotations).Select(own => Path.Combine(root, own))])
            found.AddRange(In(folder).Select(path => (path, PartOf(Path.GetFileNameWithoutExtension(path)))));
        foreach (var (part, folder) in around)
            found.AddRange(In(folder).Select(path => (path, (string?)part)));
        // COCO's own archive has other kinds of annotations beside.
        return found.Exists(one => IsInstances(one.Path)) ? found.Where(one => IsInstances(one.Path)) : found;

        static bool IsInstances(string path) => Path.GetFileName(path).StartsWith(Instances, StringComparison.Ordinal);

        static bool IsAnnotations(string folder) =>
            folder.Equals(Annotations, StringComparison.OrdinalIgnoreCase)
            || folder.Equals("annotation", StringComparison.OrdinalIgnoreCase);
    }

    private static IEnumerable<string> In(string folder) =>
        Directory
            .EnumerateFiles(folder)
            .Where(path =>
                path.EndsWith(".json", StringComparison.OrdinalIgnoreCase)
                && !Array.Exists(others, start => Path.GetFileName(path).StartsWith(start, StringComparison.Ordinal))
                && Path.GetFileName(path)[0] != '.'
                && IsCoco(path)
            )
            .Order(StringComparer.Ordinal);

    private static bool IsCoco(string path)
    {
        var head = new byte[HeadLength];
        using var file = DataFiles.Open(path);
        var text = Encoding.UTF8.GetString(head, 0, file.ReadAtLeast(head, HeadLength, throwOnEndOfStream: false)).TrimStart('\uFEFF');
        return text.TrimStart().StartsWith('{') && Array.Exists(fields, field => text.Contains(field, StringComparison.Ordinal));
    }

    // The first word of a name that is a split: instances_train2017 is train.
    private static string? PartOf(string name) =>
        NoLetters.Split(name).Select(word => SplitNames.Of(word.ToLowerInvariant())).FirstOrDefault(names => names is not null)?[0];

    // Around the file and in the root, themselves and their folders of images, then folders of the split in each.
    private static List<string> ImageFolders(string root, string file, string part)
    {
        var folders = new List<string>();
        foreach (var start in (string[])[Path.GetDirectoryName(file)!, root])
        foreach (
            var folder in (string[])
                [
                    start,
                    .. FolderScan
                        .Subfolders(start)
                        .Where(own => imageFolders.Contains(own, StringComparer.OrdinalIgnoreCase))
                        .Select(own => Path.Combine(start, own)),
                ]
        )
        {
            folders.Add(folder);
            foreach (var own in FolderScan.Subfolders(folder).Where(own => part == OwnParts.Whole || PartOf(own) == part))
            {
                folders.Add(Path.Combine(folder, own));
                folders.AddRange(
                    FolderScan
                        .Subfolders(Path.Combine(folder, own))
                        .Where(inner => imageFolders.Contains(inner, StringComparer.OrdinalIgnoreCase))
                        .Select(inner => Path.Combine(folder, own, inner))
                );
            }
        }
        return [.. folders.Distinct()];
    }
}
