using Tessera.Data.Formats;

namespace Tessera.Data.Sets;

/// <summary>Where the images of a split are, and their labels.</summary>
/// <param name="Sources">Folders of images, at any depth, and lists of images.</param>
/// <param name="Labels">Folders of the images with those of their labels; empty where the path says which they are.</param>
internal sealed record YoloPart(IReadOnlyList<string> Sources, (string Images, string Labels)? Labels = null)
{
    private const string ImagesStep = "/images/",
        LabelsStep = "/labels/";

    /// <summary>Whether all images of the folders belong to it, and not those of a list.</summary>
    internal bool IsAll => Sources.All(Directory.Exists);

    /// <summary>The images, in the order of the sources.</summary>
    /// <exception cref="DataException">There are none, or a list names what is not there.</exception>
    internal IReadOnlyList<string> Images(CancellationToken stop)
    {
        List<string> files =
        [
            .. Sources.SelectMany(source => Directory.Exists(source) ? new FolderScan(source, stop: stop).All() : Listed(source)),
        ];
        return files.Count > 0 ? [.. files.Distinct()] : throw new DataException($"{Sources[0]} holds no image");
    }

    /// <summary>The labels of an image; null where there are none.</summary>
    internal string? LabelsOf(string image) => Candidates(image).FirstOrDefault(File.Exists);

    /// <summary>Where the labels of an image are looked for first.</summary>
    internal string Expected(string image) => Candidates(image).First();

    private IEnumerable<string> Candidates(string image)
    {
        var text = Path.ChangeExtension(image, ".txt");
        if (Labels is var (images, labels))
            yield return Path.Combine(labels, Path.GetRelativePath(images, text));
        var place = text.LastIndexOf(ImagesStep, StringComparison.Ordinal);
        if (place >= 0)
            yield return $"{text[..place]}{LabelsStep}{text[(place + ImagesStep.Length)..]}";
        yield return text;
    }

    // Paths are those of the list's folder, or of one around it.
    private static IEnumerable<string> Listed(string list)
    {
        foreach (var (number, line) in DataFiles.Lines(list).Index())
        {
            var name = line.Trim();
            if (name[0] == '#')
                continue;
            yield return Find(Path.GetDirectoryName(Path.GetFullPath(list))!, name.Replace('\\', '/'))
                ?? throw new DataFormatException(list, null, $"line {number + 1}: there is no image '{name}'");
        }

        static string? Find(string folder, string name)
        {
            for (var start = folder; start is not null; start = Path.GetDirectoryName(start))
                if (Path.GetFullPath(Path.Combine(start, name)) is var path && File.Exists(path))
                    return path;
            return null;
        }
    }
}

/// <summary>How a folder of YOLO's text is divided, and its classes.</summary>
/// <param name="Name">Of the data set, in messages.</param>
/// <param name="Parts">By their usual names; the only key is <see cref="OwnParts.Whole"/> where the data is not divided.</param>
/// <param name="Classes">Number and name of each class, by ascending number.</param>
/// <param name="ClassFile">The file that lists them.</param>
internal sealed record YoloParts(
    string Name,
    IReadOnlyDictionary<string, YoloPart> Parts,
    IReadOnlyList<(int Number, string Name)> Classes,
    string ClassFile
)
{
    private static readonly string[] labelNames = ["labels", "label", "annotations", "annotation"];

    /// <summary>Whether images without a file of labels are no part of the data.</summary>
    internal bool SkipsUnlabelled { get; private init; }

    /// <summary>What was taken where another reading is possible.</summary>
    internal IReadOnlyList<string> Remarks { get; private init; } = [];

    /// <summary>Whether a folder has the name of one of labels.</summary>
    internal static bool IsLabels(string folder) => labelNames.Contains(folder, StringComparer.OrdinalIgnoreCase);

    /// <summary>Looks how a folder is divided.</summary>
    /// <param name="name">Of the data set, in messages.</param>
    /// <param name="root">The folder.</param>
    /// <exception cref="DataException">It cannot be understood.</exception>
    internal static YoloParts Of(string name, string root)
    {
        var configs = YoloFolder.Configs(root).ToArray();
        return configs switch
        {
            [] => OfFolders(name, root, Listed(name, root), null),
            [var only] => OfConfig(name, root, only),
            _ => throw new DataException($"{name}: {configs[0]} and {configs[1]} are both there: one of them must go"),
        };
    }

    private static YoloParts OfConfig(string name, string root, string path)
    {
        var config = YoloConfig.Read(path);
        if (config.Splits.Count == 0)
            return OfFolders(name, root, (path, config.Classes), config);
        var parts = config
            .Splits.Where(split => split.Key == "train" || split.Value.Any(own => Resolve(root, config, own) is not null))
            .ToDictionary(
                split => split.Key,
                split => new YoloPart([
                    .. split.Value.Select(own =>
                        Resolve(root, config, own)
                        ?? throw new DataFormatException(
                            path,
                            null,
                            $"'{split.Key}' is {own}, and there is no such folder or list in {root}"
                        )
                    ),
                ])
            );
        return new(name, parts, config.Classes, path)
        {
            SkipsUnlabelled = config.SkipsUnlabelled,
            Remarks =
            [
                .. config.Splits.Keys.Except(parts.Keys).Select(split => $"{path} names a split {split}, whose folder is not there"),
            ],
        };
    }

    // Relative to the folder that the file names, or to its own; exporters write ../ in front of what lies beside the file.
    private static string? Resolve(string root, YoloConfig config, string path)
    {
        string[] starts = [.. config.Root is { Length: > 0 } own ? (string[])[Path.Combine(root, own)] : [], root];
        string[] forms = path.StartsWith("../", StringComparison.Ordinal) ? [path, path[3..]] : [path];
        return forms.SelectMany(form => starts.Select(start => Path.GetFullPath(Path.Combine(start, form)))).FirstOrDefault(Path.Exists);
    }

    private static YoloParts OfFolders(
        string name,
        string root,
        (string File, IReadOnlyList<(int Number, string Name)> Classes) listed,
        YoloConfig? config
    )
    {
        var folders = MaskFolders.Find(name, root, labelNames);
        return new(
            name,
            folders.Parts.ToDictionary(
                part => part.Key,
                part => new YoloPart([part.Value.List ?? part.Value.Images], (part.Value.Images, part.Value.Masks))
            ),
            listed.Classes,
            listed.File
        )
        {
            SkipsUnlabelled = config?.SkipsUnlabelled == true,
            Remarks =
            [
                .. folders.WithoutMasks.Select(split => $"the split {split} has images and no labels, and was left out"),
                .. folders.Remarks,
            ],
        };
    }

    // classes.txt as tools write it, beside the folders or in that of the labels; obj.names of Darknet.
    private static (string File, IReadOnlyList<(int, string)> Classes) Listed(string name, string root)
    {
        string[] places =
        [
            Path.Combine(root, "classes.txt"),
            Path.Combine(root, "obj.names"),
            .. FolderScan.Subfolders(root).Where(IsLabels).Select(own => Path.Combine(root, own, "classes.txt")),
        ];
        var file = Array.Find(places, File.Exists)
            ?? throw new DataException(
                $"{name}: {root} must hold data.yaml with names, or classes.txt with the name of class 0 in its first line, and so on"
            );
        string[] names = [.. DataFiles.Lines(file).Select(line => line.Trim())];
        if (names.Length == 0)
            throw new DataFormatException(file, null, "the file must name a class a line");
        if (names.CountBy(own => own).FirstOrDefault(own => own.Value > 1).Key is { } twice)
            throw new DataFormatException(file, null, $"'{twice}' is there twice");
        return (file, [.. names.Select((own, number) => (number, own))]);
    }
}
