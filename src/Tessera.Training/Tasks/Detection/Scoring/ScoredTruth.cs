using Tessera.Data;
using Tessera.Data.Formats;

namespace Tessera.Training.Tasks.Detection.Scoring;

/// <summary>An image and the objects in it.</summary>
/// <param name="Name">Of its file, without folder and ending.</param>
/// <param name="Id">Its number in the source; null where it has none.</param>
/// <param name="Size">Null where it is not known.</param>
/// <param name="Objects">In the order of the source.</param>
internal sealed record ScoredImage(string Name, long? Id, ImageSize? Size, IReadOnlyList<ImageObject> Objects);

/// <summary>What is true of a set of images.</summary>
/// <param name="Classes">Names of the classes.</param>
/// <param name="CategoryIds">Number of each class in the source; null where it has none.</param>
/// <param name="Images">By number or name.</param>
/// <param name="Remarks">What was taken for what, a line each.</param>
internal sealed record ScoredTruth(
    IReadOnlyList<string> Classes,
    IReadOnlyList<long>? CategoryIds,
    IReadOnlyList<ScoredImage> Images,
    IReadOnlyList<string> Remarks
)
{
    private const string Json = ".json",
        Xml = ".xml",
        Text = ".txt";

    // LabelImg writes it beside the annotations.
    private const string ClassFile = "classes.txt";

    /// <summary>Whether every object that is to be found has a mask.</summary>
    internal bool HasMasks =>
        Images.Any(image => image.Objects.Any(one => one.IsTrained))
        && Images.All(image => image.Objects.All(one => !one.IsTrained || one.Mask is not null));

    /// <summary>Reads a COCO file, or a folder of VOC's xml or of text.</summary>
    /// <exception cref="DataException">It is neither, or a file of it is damaged, or could mean two things.</exception>
    internal static ScoredTruth Read(string path, ScoreOptions options)
    {
        if (File.Exists(path) && IsJson(path))
            return OfCoco(path).With(options);
        if (!Directory.Exists(path))
            throw new DataException(
                File.Exists(path)
                    ? $"{path}: the truth must be a COCO file ({Json}) or a folder of {Xml} or {Text} files"
                    : $"{path}: there is no such file or folder"
            );
        var (xml, text) = (Files(path, Xml), Files(path, Text).Where(file => Path.GetFileName(file) != ClassFile).ToArray());
        return (xml.Length, text.Length) switch
        {
            (> 0, > 0) => throw new DataException(
                $"{path} holds {Xml} and {Text} files: the annotations must lie in a folder without files of the other kind"
            ),
            (> 0, _) => OfVoc(xml, options).With(options),
            (_, > 0) => OfText(path, text, options).With(options),
            _ when Files(path, Json) is [var only] => OfCoco(only).With(options),
            _ => throw new DataException($"{path} holds no {Xml} or {Text} file, and not one {Json} file"),
        };
    }

    internal static bool IsJson(string path) => Path.GetExtension(path).Equals(Json, StringComparison.OrdinalIgnoreCase);

    /// <summary>Files of a folder with an ending, by name.</summary>
    internal static string[] Files(string folder, string ending) =>
        [
            .. Directory
                .EnumerateFiles(folder)
                .Where(file => Path.GetExtension(file).Equals(ending, StringComparison.OrdinalIgnoreCase))
                .Order(StringComparer.Ordinal),
        ];

    private static ScoredTruth OfCoco(string path)
    {
        var faults = new AnnotationFaults(lenient: false);
        var file = CocoJson.Read(path, faults);
        return new(
            [.. file.Categories.Select(one => one.Name)],
            [.. file.Categories.Select(one => one.Id)],
            [.. file.Images.Select(image => new ScoredImage(Stem(image.File), image.Id, image.Size, image.Objects))],
            [.. faults.Remarks]
        );
    }

    private static ScoredTruth OfVoc(string[] files, ScoreOptions options)
    {
        var faults = new AnnotationFaults(lenient: false);
        var sizes = new ImageSizes(options.Images);
        var read = files.Select(file => (Name: Stem(file), Xml: VocXml.Read(file, faults))).ToArray();
        var classes = new ClassNames(options.Classes);
        string[] present = [.. read.SelectMany(file => file.Xml.Objects.Select(one => one.Name)).Distinct()];
        var known = classes.With(present);
        var numbers = known.Index().ToDictionary(entry => entry.Item, entry => entry.Index);
        return new(
            known,
            null,
            [
                .. read.Select(file => new ScoredImage(
                    file.Name,
                    null,
                    file.Xml.Size ?? sizes.Of(file.Name),
                    [
                        .. file.Xml.Objects.Select(
                            (one, i) => new ImageObject(one.Corners, numbers[one.Name], i + 1, IsIgnored: one.IsDifficult)
                        ),
                    ]
                )),
            ],
            [.. faults.Remarks]
        );
    }

    private static ScoredTruth OfText(string folder, string[] files, ScoreOptions options)
    {
        var names = options.Classes ?? (Path.Combine(folder, ClassFile) is var beside && File.Exists(beside) ? beside : null);
        var classes = new ClassNames(names);
        var sizes = new ImageSizes(options.Images);
        var read = files.Select(file => (Path: file, Lines: BoxText.Read(file, scored: false), Size: sizes.Of(Stem(file)))).ToArray();
        string[] present = [.. read.SelectMany(file => file.Lines.Select(line => classes.Name(line.Class))).Distinct()];
        var known = classes.With(present);
        var numbers = known.Index().ToDictionary(entry => entry.Item, entry => entry.Index);
        var reading = BoxReading.Of(
            [.. read.SelectMany(file => file.Lines.Select(line => ((IReadOnlyList<double>)line.Box, file.Size)))],
            options.TruthBoxes,
            options.IsRelative,
            folder,
            "--truth-boxes",
            out var why
        );
        return new(
            known,
            null,
            [
                .. read.Select(file => new ScoredImage(
                    Stem(file.Path),
                    null,
                    file.Size,
                    [.. file.Lines.Select((line, i) => Object(file.Path, line, file.Size, i))]
                )),
            ],
            why is null ? [] : [why]
        );

        ImageObject Object(string path, BoxLine line, ImageSize? size, int i)
        {
            try
            {
                var box = reading.Box(line.Box, size, out var area);
                var label = numbers[classes.Name(line.Class)];
                return new(box, label, i + 1, IsIgnored: line.IsDifficult, Area: options.NamesPixels ? null : area);
            }
            catch (DataException error)
            {
                throw new DataFormatException(path, null, $"line {line.Line}: {error.Message}", error);
            }
        }
    }

    /// <summary>Name of a file without folder and ending.</summary>
    internal static string Stem(string path) => Path.GetFileNameWithoutExtension(path);

    private ScoredTruth With(ScoreOptions options) =>
        this with
        {
            Images = [.. Images.Select(image => image with { Objects = [.. image.Objects.Select(one => With(options, one))] })],
        };

    private static ImageObject With(ScoreOptions options, ImageObject one)
    {
        if (options.CountsDifficult)
            one = one with { IsIgnored = false };
        return options.NamesPixels ? one with { Box = WithLastPixel(one.Box) } : one;
    }

    /// <summary>The edges of a box that names its last pixel: it is one wider and higher.</summary>
    internal static ObjectBox WithLastPixel(ObjectBox box) => box with { Left = box.Left - 1, Top = box.Top - 1 };
}
