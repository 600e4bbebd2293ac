using System.Globalization;
using Tessera.Data.Formats;
using Tessera.Data.Images;

namespace Tessera.Data.Sets;

/// <summary>Images with boxes in Pascal VOC's XML, a file for each.</summary>
internal sealed class VocFolder
{
    private const string Name = "voc_detection",
        FromZero = "voc_detection_0",
        Lists = "ImageSets/Main",
        Union = "trainval";

    private static readonly string[] annotationFolders = ["Annotations", "annotation", "xmls", "xml", "labels"],
        imageFolders = ["JPEGImages", "images", "image", "imgs", "img"];

    // The parts that share no sample.
    private static readonly string[] disjoint = ["train", "val", "test"];

    private readonly string name;
    private readonly string root;
    private readonly CancellationToken stop;

    private VocFolder(string name, string root, CancellationToken stop) => (this.name, this.root, this.stop) = (name, root, stop);

    internal static DatasetKind Kind { get; } =
        Of(Name, "Pascal VOC 2007 or 2012, or images of your own with VOC's XML: boxes of pixels that count from 1", 1);

    internal static DatasetKind ZeroBased { get; } =
        Of(FromZero, "images with VOC's XML whose coordinates are edges that count from 0, as CVAT and labelImg write them", 0);

    private static DatasetKind Of(string name, string summary, int first) =>
        OwnParts.Kind(
            name,
            summary,
            (split, root, lenient, stop) => Open(name, split, root, first, lenient, stop),
            root => SplitsIn(name, root)
        ) with
        {
            Splits = [.. OwnParts.Splits, Union],
            Folder = "VOCdevkit/VOC2012",
            Disjoint = disjoint,
        };

    /// <summary>An XML file in a folder; null where there is none.</summary>
    internal static string? Evidence(string root) =>
        ((string[])[root, .. SplitNames.Folders(Name, root).Values])
            .SelectMany(folder => (string[])[folder, AnnotationsIn(folder)])
            .SelectMany(Files)
            .FirstOrDefault();

    internal static IReadOnlyList<string> SplitsIn(string name, string root)
    {
        var parts = new VocFolder(name, Start(name, root), default).Parts();
        return [.. OwnParts.InOrder([.. parts.Keys]), .. parts.ContainsKey(Union) ? [Union] : (string[])[]];
    }

    /// <summary>Opens a split.</summary>
    /// <param name="name">Of the data set.</param>
    /// <param name="split">Of the data set.</param>
    /// <param name="root">Its folder.</param>
    /// <param name="first">
    /// What coordinates count from: 1 for pixels, both of which belong to the box; 0 for edges; null where 0 among them is to tell.
    /// </param>
    /// <param name="lenient">Whether problems are kept and listed.</param>
    /// <param name="stop">Gives up.</param>
    internal static FileImages Open(string name, string split, string? root, int? first, bool lenient, CancellationToken stop = default)
    {
        var folder = new VocFolder(name, Start(name, root), stop);
        var parts = folder.Parts();
        var part = split == Union && parts.ContainsKey(Union) ? Union : OwnParts.Choose(name, folder.root, split, [.. parts.Keys]);
        return folder.Read(split, parts, part, first, new(lenient)).Open(folder.root);
    }

    // The folder that was asked for, or that of a published set in it.
    private static string Start(string name, string? root)
    {
        var start = root ?? Datasets.Cache;
        string[] published =
        [
            .. ((string[])["VOCdevkit/VOC2012", "VOC2012", "VOCdevkit/VOC2007", "VOC2007"])
                .Select(folder => Path.Combine(start, folder))
                .Where(folder => Directory.Exists(Path.Combine(folder, annotationFolders[0]))),
        ];
        if (root is not null && Evidence(root) is not null)
            return root;
        return published switch
        {
            [var only] => only,
            [] => throw new DataException(
                $"{name}: {start} must hold Annotations with XML files beside JPEGImages or images, XML files beside images, or a folder "
                    + "for each split with these in it"
            ),
            _ => throw new DataException($"{name}: {published[0]} and {published[1]} are both there: let data.root name one of them"),
        };
    }

    /// <summary>Where the samples of a split are.</summary>
    /// <param name="Annotations">Folder of the XML files.</param>
    /// <param name="Images">Folder of the images.</param>
    /// <param name="List">File that names the samples; null for all of them.</param>
    private sealed record Part(string Annotations, string Images, string? List = null);

    private Dictionary<string, Part> Parts()
    {
        var around = SplitNames
            .Folders(name, root)
            .Where(part => Files(part.Value).Concat(Files(AnnotationsIn(part.Value))).Any())
            .ToDictionary(part => part.Key, part => new Part(AnnotationsIn(part.Value), ImagesIn(part.Value)));
        if (around.Count > 0)
            return around;
        var whole = new Part(AnnotationsIn(root), ImagesIn(root));
        var lists = Path.Combine(root, Lists);
        var parts = new Dictionary<string, Part>();
        if (Directory.Exists(lists))
            foreach (var path in Directory.EnumerateFiles(lists, "*.txt").Order(StringComparer.Ordinal))
            {
                var bare = Path.GetFileNameWithoutExtension(path).ToLowerInvariant();
                // Beside them stand lists of a class each, such as cat_train.
                var part = bare == Union ? Union : SplitNames.Of(bare)?[0];
                if (part is not null && !parts.TryAdd(part, whole with { List = path }))
                    throw new DataException($"{name}: {parts[part].List} and {path} are of one split: one of them must go");
            }
        return parts.Count > 0 ? parts : new() { [OwnParts.Whole] = whole };
    }

    private static IReadOnlyList<string> Names(string list)
    {
        var names = new List<string>();
        var seen = new HashSet<string>(StringComparer.Ordinal);
        foreach (var line in DataFiles.Lines(list))
        {
            // Behind the name may stand whether the image has a class.
            var text = line.Trim();
            var end = text.LastIndexOf(' ');
            if (end > 0 && text[(end + 1)..] is "1" or "0" or "-1")
                text = text[..end].TrimEnd();
            if (!seen.Add(text))
                throw new DataFormatException(list, null, $"'{text}' comes a second time");
            names.Add(text);
        }
        return names.Count > 0 ? names : throw new DataFormatException(list, null, "the list names no image");
    }

    private DetectionSet Read(string split, IReadOnlyDictionary<string, Part> parts, string part, int? first, AnnotationFaults faults)
    {
        // Classes and the meaning of coordinates must not depend on which split is opened.
        var read = new Dictionary<string, VocXml>(StringComparer.Ordinal);
        foreach (var path in parts.Values.Select(one => one.Annotations).Distinct().SelectMany(Files))
        {
            stop.ThrowIfCancellationRequested();
            try
            {
                read.Add(path, VocXml.Read(path, faults));
            }
            catch (DataFormatException error) when (faults.IsLenient)
            {
                faults.Problem("files that cannot be read", path, null, "the file", error.Message);
            }
        }
        var classes = ClassList.Of(root, read.Values.SelectMany(file => file.Objects).Select(one => one.Name));
        var below = read.FirstOrDefault(file => file.Value.Objects.Any(one => one.Corners.Left < 1 || one.Corners.Top < 1)).Key;
        var start = first ?? (below is null ? 1 : 0);
        var (own, next) = (parts[part], 1L);
        var files = MapPairs.ByKey(FolderScan.Files(own.Images).Select(path => (Path.GetFileNameWithoutExtension(path), path)));
        var images = new List<DetectionImage>();
        foreach (var path in own.List is null ? Files(own.Annotations) : Listed(own, read, faults))
        {
            if (!read.TryGetValue(path, out var file))
                continue;
            var stem = Path.GetFileNameWithoutExtension(path);
            if ((files.GetValueOrDefault(stem) ?? Named(own.Images, file.File)) is { } image)
                images.Add(new(image, Objects(path, file, classes, start, faults, ref next), file.Size));
            else
                faults.Problem(
                    "annotations without an image",
                    path,
                    null,
                    "its image",
                    $"there is no {Path.Combine(own.Images, stem)}, whatever the ending"
                );
        }
        return new(name, split, classes, images, faults)
        {
            // Boxes of the published layout lie on the pixels as the files have them.
            Orient = own.List is null,
            Remarks = [.. Said(start, first, below), .. own.List is null ? Bare(files, own.Annotations) : []],
        };
    }

    // The annotations of the names of a list, which may have endings.
    private static IEnumerable<string> Listed(Part own, Dictionary<string, VocXml> read, AnnotationFaults faults)
    {
        foreach (var sample in Names(own.List!))
        {
            string[] paths =
            [
                .. ((string[])[sample, Path.GetFileNameWithoutExtension(sample)]).Select(stem =>
                    Path.Combine(own.Annotations, $"{stem}.xml")
                ),
            ];
            if (Array.Find(paths, read.ContainsKey) is { } path)
                yield return path;
            else
                faults.Problem("names without an annotation", own.List!, null, $"'{sample}'", $"there is no file {paths[0]}");
        }
    }

    private static List<ImageObject> Objects(string path, VocXml file, string[] classes, int start, AnnotationFaults faults, ref long next)
    {
        var objects = new List<ImageObject>();
        foreach (var one in file.Objects)
        {
            var label = Array.IndexOf(classes, one.Name);
            if (label < 0)
            {
                faults.Problem(
                    "objects of classes that classes.txt does not list",
                    path,
                    null,
                    $"line {one.Line}",
                    $"the class '{one.Name}' is not in classes.txt"
                );
                continue;
            }
            var box = one.Corners with { Left = one.Corners.Left - start, Top = one.Corners.Top - start };
            if (box.Area == 0)
                faults.Remark("objects without an area, which training leaves out", $"{path}, line {one.Line}");
            else if (file.Size is { } size && (box.Left >= size.Width || box.Top >= size.Height || box.Right <= 0 || box.Bottom <= 0))
                faults.Remark("boxes outside of their image, which training leaves out", $"{path}, line {one.Line}");
            objects.Add(new(box, label, next++, IsIgnored: one.IsDifficult));
        }
        return objects;
    }

    private static IEnumerable<string> Said(int start, int? first, string? below)
    {
        if (first is null)
            yield return start == 1
                ? "coordinates are taken for pixels that count from 1, as in Pascal VOC: a box begins at xmin - 1"
                : $"coordinates are taken for edges that count from 0, because {below} has one below 1";
        else if (first == 1 && below is not null)
            yield return $"coordinates are taken for pixels that count from 1, and {below} has one below 1: open the set as {FromZero} "
                + "if they are edges that count from 0";
    }

    private static IEnumerable<string> Bare(Dictionary<string, string> files, string annotations)
    {
        var named = Files(annotations).Select(path => Path.GetFileNameWithoutExtension(path)).ToHashSet(StringComparer.Ordinal);
        var bare = files.Where(file => !named.Contains(file.Key)).Select(file => file.Value).ToArray();
        if (bare.Length > 0)
            yield return string.Create(
                CultureInfo.InvariantCulture,
                $"{bare.Length} images have no XML file and were left out ({bare[0]}{(bare.Length > 1 ? ", ..." : "")}): an image in which "
            ) + "nothing is to be found needs a file without <object>";
    }

    private static string? Named(string folder, string? file) =>
        file is not null && Path.Combine(folder, Path.GetFileName(file.Replace('\\', '/'))) is var path && File.Exists(path) ? path : null;

    private static string AnnotationsIn(string folder) => Subfolder(folder, annotationFolders);

    private static string ImagesIn(string folder) => Subfolder(folder, imageFolders);

    // The folder itself where it has none of the names.
    private static string Subfolder(string folder, string[] names) =>
        FolderScan.Subfolders(folder).FirstOrDefault(own => names.Contains(own, StringComparer.OrdinalIgnoreCase)) is { } found
            ? Path.Combine(folder, found)
            : folder;

    private static IEnumerable<string> Files(string folder) =>
        Directory
            .EnumerateFiles(folder)
            .Where(path => path.EndsWith(".xml", StringComparison.OrdinalIgnoreCase) && Path.GetFileName(path)[0] != '.')
            .Order(StringComparer.Ordinal);
}
