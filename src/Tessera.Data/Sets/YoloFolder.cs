using System.Globalization;
using Tessera.Data.Formats;
using Tessera.Data.Images;
using Tessera.Data.Imaging;

namespace Tessera.Data.Sets;

/// <summary>Images of one's own with YOLO's text: a file of boxes or outlines for each.</summary>
internal static class YoloFolder
{
    private const string Name = "yolo",
        Ending = ".txt";

    internal static DatasetKind Kind { get; } =
        OwnParts.Kind(
            Name,
            "images of your own with YOLO's text: data.yaml, or classes.txt with images and labels",
            (split, root, lenient, stop) => Open(Name, split, root, lenient, stop),
            root => SplitsIn(Name, root)
        );

    /// <summary>A file that says that a folder is one of YOLO's; null where there is none.</summary>
    internal static string? Evidence(string root) =>
        Configs(root).FirstOrDefault()
        ?? FolderScan
            .Subfolders(root)
            .Where(own => YoloParts.IsLabels(own))
            .Select(own => Path.Combine(root, own))
            .Concat(
                SplitNames
                    .Folders(Name, root)
                    .Values.SelectMany(part =>
                        FolderScan.Subfolders(part).Where(own => YoloParts.IsLabels(own)).Select(own => Path.Combine(part, own))
                    )
            )
            .SelectMany(labels => new FolderScan(labels, [Ending]).All())
            .FirstOrDefault(path => Path.GetFileName(path) != "classes.txt");

    internal static IReadOnlyList<string> SplitsIn(string name, string root) => OwnParts.InOrder([.. YoloParts.Of(name, root).Parts.Keys]);

    internal static FileImages Open(string name, string split, string? root, bool lenient, CancellationToken stop = default)
    {
        if (root is null)
            throw new DataException($"{name}: data.root must name the folder");
        var folders = YoloParts.Of(name, root);
        var part = folders.Parts[OwnParts.Choose(name, root, split, [.. folders.Parts.Keys])];
        var faults = new AnnotationFaults(lenient);
        var (images, remarks) = new Reading(folders, part, faults, stop).Images();
        return new DetectionSet(name, split, [.. folders.Classes.Select(one => one.Name)], images, faults)
        {
            CategoryIds = [.. folders.Classes.Select(one => (long?)one.Number)],
            Remarks = [.. folders.Remarks, .. remarks],
        }.Open(root);
    }

    /// <summary>Data files in a folder.</summary>
    internal static IEnumerable<string> Configs(string root) =>
        Directory
            .EnumerateFiles(root)
            .Where(path => Path.GetExtension(path).ToLowerInvariant() is ".yaml" or ".yml" && YoloConfig.Is(path))
            .Order(StringComparer.Ordinal);

    /// <summary>Reads the labels of the images of a split.</summary>
    private sealed class Reading(YoloParts folders, YoloPart part, AnnotationFaults faults, CancellationToken stop)
    {
        private readonly Dictionary<int, int> numbers = folders
            .Classes.Index()
            .ToDictionary(entry => entry.Item.Number, entry => entry.Index);
        private readonly List<string> remarks = [];

        internal (List<DetectionImage> Images, IReadOnlyList<string> Remarks) Images()
        {
            var files = part.Images(stop);
            string?[] labels = [.. files.Select(part.LabelsOf)];
            if (files.Count > 0 && labels.All(path => path is null))
                throw new DataException($"{folders.Name}: no image has labels: {files[0]} needs a file {part.Expected(files[0])}");
            var bare = labels.Count(path => path is null);
            if (bare > 0)
                remarks.Add(
                    string.Create(CultureInfo.InvariantCulture, $"{bare} of {files.Count} images have no file of labels and ")
                        + (folders.SkipsUnlabelled ? "were left out" : "count as images in which nothing is to be found")
                        + $" ({files[Array.IndexOf(labels, null)]}{(bare > 1 ? ", ..." : "")})"
                );
            Lonely(labels);
            var lines = labels.Select(path => path is null ? [] : YoloLabels.Read(path, faults)).ToArray();
            var (sizes, unreadable) = Sizes(files, lines);
            var (images, next) = (new List<DetectionImage>(), 1L);
            for (var i = 0; i < files.Count; i++)
            {
                if ((labels[i] is null && folders.SkipsUnlabelled) || unreadable[i] is not null)
                    continue;
                var objects = new List<ImageObject>();
                foreach (var line in lines[i])
                    if (Object(line, labels[i]!, sizes[i]!.Value, next) is { } one)
                    {
                        objects.Add(one);
                        next++;
                    }
                images.Add(new(files[i], objects, sizes[i]));
            }
            if (images.Exists(image => image.Objects.Any(one => one.Mask is not null)))
                foreach (var image in images.Where(image => image.Objects.Any(one => one.Mask is null)))
                    faults.Remark("images with boxes beside outlines, so that not every object has a mask", image.File);
            return (images, remarks);
        }

        private ImageObject? Object(YoloObject line, string path, ImageSize size, long id)
        {
            if (!numbers.TryGetValue(line.Class, out var label))
            {
                faults.Problem(
                    "objects of classes that are not listed",
                    path,
                    null,
                    $"line {line.Line}",
                    $"the class {line.Class} is not in {folders.ClassFile}"
                );
                return null;
            }
            var (box, mask) = (line.BoxIn(size), line.MaskIn(size));
            if (box.Area == 0)
                faults.Remark("objects without an area, which training leaves out", $"{path}, line {line.Line}");
            return new(box, label, id, Area: mask?.Area, Mask: mask);
        }

        // Boxes are fractions: their pixels need the size of the image, which its first bytes have.
        private (ImageSize?[] Sizes, string?[] Unreadable) Sizes(IReadOnlyList<string> files, List<YoloObject>[] lines)
        {
            var (sizes, unreadable) = (new ImageSize?[files.Count], new string?[files.Count]);
            Parallel.For(0, files.Count, new ParallelOptions { CancellationToken = stop }, i =>
            {
                if (lines[i].Count == 0)
                    return;
                try
                {
                    using var image = ImageFile.Open(files[i], orient: true);
                    sizes[i] = new(image.Height, image.Width);
                }
                catch (DataException error)
                {
                    unreadable[i] = error.Message;
                }
            });
            foreach (var error in unreadable.OfType<string>())
                faults.Remark("images that cannot be read and were left out", error);
            return (sizes, unreadable);
        }

        // Labels of images that are not there.
        private void Lonely(string?[] labels)
        {
            var used = labels.OfType<string>().ToHashSet(StringComparer.Ordinal);
            foreach (var folder in used.Select(path => Path.GetDirectoryName(path)!).Distinct())
            foreach (var path in Directory.EnumerateFiles(folder, $"*{Ending}").Order(StringComparer.Ordinal))
                if (
                    !used.Contains(path)
                    && part.IsAll
                    && Path.GetFileName(path) is not ("classes.txt" or "train.txt" or "val.txt" or "test.txt")
                )
                    faults.Remark("files of labels without an image", path);
        }
    }
}
