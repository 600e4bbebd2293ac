using System.Globalization;
using Tessera.Data;
using Tessera.Data.Formats;

namespace Tessera.Training.Tasks.Detection.Scoring;

/// <summary>Detections that belong to nothing in the truth: they are left out, and told.</summary>
/// <param name="Name">Name or number of the image or class.</param>
/// <param name="Detections">Their number.</param>
internal sealed record UnknownDetections(string Name, int Detections);

/// <summary>Images with what is true of them and what was found in them.</summary>
/// <param name="Truth">What is true.</param>
/// <param name="Found">Detections of each image.</param>
/// <param name="HasMasks">Whether masks can be compared.</param>
internal sealed record ScoredSet(ScoredTruth Truth, IReadOnlyList<IReadOnlyList<DetectedObject>> Found, bool HasMasks)
{
    /// <summary>Images that the truth does not have.</summary>
    internal IReadOnlyList<UnknownDetections> UnknownImages { get; private init; } = [];

    /// <summary>Classes that the truth does not have.</summary>
    internal IReadOnlyList<UnknownDetections> UnknownClasses { get; private init; } = [];

    /// <summary>What was taken for what, a line each.</summary>
    internal IReadOnlyList<string> Remarks { get; private init; } = [];

    /// <summary>Reads detections: a COCO file of results, or a folder of text, a file for each image.</summary>
    /// <param name="truth">What is true.</param>
    /// <param name="path">File or folder.</param>
    /// <param name="options">How files are read.</param>
    /// <exception cref="DataException">It is neither, or a file of it is damaged, or could mean two things.</exception>
    internal static ScoredSet Read(ScoredTruth truth, string path, ScoreOptions options)
    {
        if (Directory.Exists(path))
            return new Reading(truth, path, options).OfText();
        if (!File.Exists(path))
            throw new DataException($"{path}: there is no such file or folder");
        return ScoredTruth.IsJson(path)
            ? new Reading(truth, path, options).OfJson()
            : throw new DataException($"{path}: detections must be a COCO file of results (.json) or a folder of .txt files");
    }

    private sealed class Reading(ScoredTruth truth, string path, ScoreOptions options)
    {
        private readonly List<DetectedObject>[] found = [.. truth.Images.Select(_ => new List<DetectedObject>())];
        private readonly OrderedDictionary<string, int> strangeImages = [];
        private readonly OrderedDictionary<string, int> strangeClasses = [];
        private readonly List<string> remarks = [];
        private readonly Dictionary<string, int> classes = truth.Classes.Index().ToDictionary(entry => entry.Item, entry => entry.Index);
        private readonly ILookup<string, int> images = truth.Images.Index().ToLookup(entry => entry.Item.Name, entry => entry.Index);
        private readonly ImageSizes sizes = new(options.Images);

        internal ScoredSet OfText()
        {
            var names = new ClassNames(options.Classes);
            var files = ScoredTruth.Files(path, ".txt");
            if (files.Length == 0)
                throw new DataException($"{path} holds no .txt file");
            (string Path, IReadOnlyList<BoxLine> Lines, int? Image, ImageSize? Size)[] read =
            [
                .. files.Select(file =>
                {
                    var image = Image(ScoredTruth.Stem(file));
                    return (file, BoxText.Read(file, scored: true), image, SizeOf(image, ScoredTruth.Stem(file)));
                }),
            ];
            CheckClasses(read.SelectMany(file => file.Lines.Select(line => names.Name(line.Class))).Distinct());
            var reading = BoxReading.Of(
                [.. read.SelectMany(file => file.Lines.Select(line => ((IReadOnlyList<double>)line.Box, file.Size)))],
                options.Boxes,
                options.IsRelative,
                path,
                "--boxes",
                out var why
            );
            Say(why);
            foreach (var file in read)
            foreach (var line in file.Lines)
                try
                {
                    var name = names.Name(line.Class);
                    Add(file.Image, ScoredTruth.Stem(file.Path), ClassOf(name), name, label => Detection(reading, line, label, file.Size));
                }
                catch (DataException error) when (error is not DataFormatException)
                {
                    throw new DataFormatException(file.Path, null, $"line {line.Line}: {error.Message}", error);
                }
            var without = truth.Images.Count - read.Count(file => file.Image is not null);
            if (without > 0)
                Say(
                    string.Create(
                        CultureInfo.InvariantCulture,
                        $"{path}: {without} of {truth.Images.Count} images have no file, and so no detections"
                    )
                );
            return Done(hasMasks: false);
        }

        private DetectedObject Detection(BoxReading reading, BoxLine line, int label, ImageSize? size)
        {
            var box = reading.Box(line.Box, size, out var area);
            return Measured(box, area, label, line.Score!.Value, null);
        }

        internal ScoredSet OfJson()
        {
            var results = CocoResults.Read(path);
            var byId = truth.Images.All(image => image.Id is not null)
                ? truth.Images.Index().ToDictionary(entry => entry.Item.Id!.Value, entry => entry.Index)
                : null;
            var byCategory = truth.CategoryIds?.Index().ToDictionary(entry => entry.Item, entry => entry.Index);
            if (byId is null && results.Files.Count == 0)
                throw new DataException(
                    $"{path} names images by number, and the truth does not: it must have 'images' with their 'file_name'"
                );
            if (byCategory is null && results.Categories.Count == 0)
                throw new DataException(
                    $"{path} names classes by number, and the truth does not: it must have 'categories' with their names"
                );
            var hasMasks = results.Rows.Any(row => row.Segmentation is not null);
            if (hasMasks && results.Rows.FirstOrDefault(row => row.Segmentation is null) is { } bare)
                throw new DataException(
                    $"{path}: a detection in image {bare.Image} has no 'segmentation', and others have one: either all or none must"
                );
            var placed = results.Rows.Select(row => (Row: row, Image: ImageOf(row.Image))).ToArray();
            var layout = Layout([.. placed.Where(one => one.Row.Box is not null).Select(one => (one.Row.Box!, SizeOf(one.Image, null)))]);
            foreach (var (row, image) in placed)
            {
                var name = results.Categories.GetValueOrDefault(row.Category);
                int? label =
                    name is not null ? ClassOf(name)
                    : byCategory is not null && byCategory.TryGetValue(row.Category, out var own) ? own
                    : null;
                try
                {
                    Add(image, Text(row.Image), label, name ?? Text(row.Category), known =>
                        Detection(layout, row, known, SizeOf(image, null))
                    );
                }
                catch (DataException error) when (error is not DataFormatException)
                {
                    throw new DataException($"{path}: a detection in image {row.Image}: {error.Message}", error);
                }
            }
            if (hasMasks && !truth.HasMasks)
                Say($"{path} has masks, which are not measured: the objects of the truth have none");
            return Done(hasMasks && truth.HasMasks);

            int? ImageOf(long id) =>
                results.Files.GetValueOrDefault(id) is { } file ? Image(ScoredTruth.Stem(file))
                : byId is not null && byId.TryGetValue(id, out var image) ? (int?)image
                : null;
        }

        private BoxReading Layout(IReadOnlyList<(IReadOnlyList<double> Box, ImageSize? Size)> boxes)
        {
            if (options.Boxes is { } asked)
                return new(asked, IsRelative: false);
            if (BoxReading.LooksLikeCorners(boxes))
                throw new DataException(
                    $"{path}: its boxes look like x1 y1 x2 y2, as which all lie in their images, and results have x y width height: "
                        + "--boxes xyxy takes them as what they look like, --boxes xywh as what they should be"
                );
            return new(BoxLayout.Xywh, IsRelative: false);
        }

        private DetectedObject Detection(BoxReading layout, CocoResult row, int label, ImageSize? size)
        {
            var mask = row.Segmentation?.Mask(size ?? throw new DataException("the size of the image is not known, and masks need it"));
            double? area = null;
            var box = row.Box is { } numbers ? layout.Box(numbers, size, out area) : mask!.Bounds;
            return Measured(box, area, label, row.Score, mask);
        }

        // A box that names its last pixel is wider than its numbers say.
        private DetectedObject Measured(ObjectBox box, double? area, int label, double score, InstanceMask? mask) =>
            options.NamesPixels ? new(ScoredTruth.WithLastPixel(box), label, score, mask) : new(box, label, score, mask) { BoxArea = area };

        private void Add(int? image, string imageName, int? label, string className, Func<int, DetectedObject> detection)
        {
            if (image is null)
                Count(strangeImages, imageName);
            if (label is null)
                Count(strangeClasses, className);
            if (image is { } place && label is { } known)
                found[place].Add(detection(known));
        }

        private int? ClassOf(string name) => classes.TryGetValue(name, out var label) ? label : null;

        // Numbers where the truth has names could be any of its classes.
        private void CheckClasses(IEnumerable<string> names)
        {
            string[] given = [.. names];
            if (given.Length > 0 && !given.Any(classes.ContainsKey) && given.All(ClassNames.IsNumber))
                throw new DataException(
                    $"{path} has numbers for classes, and the truth has names: --classes must name a file that lists the names, a line each"
                );
        }

        private int? Image(string name)
        {
            int[] of = [.. images[name]];
            return of.Length > 1
                    ? throw new DataException($"{of.Length} images of the truth are called {name}: detections cannot be told apart by it")
                : of.Length == 1 ? (int?)of[0]
                : null;
        }

        private ImageSize? SizeOf(int? image, string? name) =>
            (image is { } place ? truth.Images[place].Size : null)
            ?? ((name ?? (image is { } known ? truth.Images[known].Name : null)) is { } stem ? sizes.Of(stem) : null);

        private ScoredSet Done(bool hasMasks) =>
            new(truth, found, hasMasks)
            {
                UnknownImages = [.. strangeImages.Select(one => new UnknownDetections(one.Key, one.Value))],
                UnknownClasses = [.. strangeClasses.Select(one => new UnknownDetections(one.Key, one.Value))],
                Remarks = remarks,
            };

        private static void Count(OrderedDictionary<string, int> of, string name) => of[name] = of.GetValueOrDefault(name) + 1;

        private void Say(string? remark)
        {
            if (remark is not null)
                remarks.Add(remark);
        }

        private static string Text(long number) => number.ToString(CultureInfo.InvariantCulture);
    }

    /// <summary>Measures as COCO does.</summary>
    /// <param name="thresholds">Of the overlap; those of COCO when null.</param>
    internal DetectionMetrics Measure(IReadOnlyList<double>? thresholds = null)
    {
        CocoScores Of(bool masks)
        {
            var measured = new CocoAveragePrecision(Truth.Classes.Count, masks, thresholds);
            Parallel.For(0, Found.Count, i => measured.Add(Truth.Images[i].Id ?? i, Truth.Images[i].Objects, Found[i]));
            return measured.Measure();
        }
        return new(Found.Count, Of(masks: false), HasMasks ? Of(masks: true) : null);
    }

    /// <summary>Measures as Pascal VOC does.</summary>
    /// <param name="form">How precision becomes a figure.</param>
    /// <param name="threshold">Overlap from which an object is found.</param>
    internal VocScores Measure(VocForm form, double threshold)
    {
        var measured = new VocAveragePrecision(Truth.Classes.Count, form, threshold);
        Parallel.For(0, Found.Count, i => measured.Add(Truth.Images[i].Id ?? i, Truth.Images[i].Objects, Found[i]));
        return measured.Measure();
    }
}
