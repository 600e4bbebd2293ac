using System.Globalization;
using System.Text.Json;
using Tessera.Cli.Shell;
using Tessera.Training.Bundles;
using Tessera.Training.Tasks;

namespace Tessera.Cli.Inputs;

/// <summary>A file of results in the form of another program, written as answers come and whole at the end or not at all.</summary>
internal sealed class ResultFile : IDisposable
{
    private readonly string path,
        building;
    private readonly FileStream stream;
    private readonly ResultWriter writer;
    private readonly ImageNumbers numbers;

    private ResultFile(string path, string building, FileStream stream, ResultWriter writer, ImageNumbers numbers) =>
        (this.path, this.building, this.stream, this.writer, this.numbers) = (path, building, stream, writer, numbers);

    /// <summary>Begins a file.</summary>
    /// <param name="path">The file.</param>
    /// <param name="bundle">The model whose answers are written.</param>
    /// <param name="numbers">Numbers of the images.</param>
    /// <exception cref="UserException">There is no such form of the model's answers.</exception>
    internal static ResultFile Begin(string path, ModelBundle bundle, ImageNumbers numbers)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(path))!);
        var building = $"{path}.{Guid.NewGuid():N}.tmp";
        var stream = new FileStream(building, FileMode.CreateNew, FileAccess.Write);
        if (bundle.Task.CreateResultWriter(bundle.Facts, stream) is { } writer)
            return new(path, building, stream, writer, numbers);
        stream.Dispose();
        File.Delete(building);
        throw new UserException($"--coco is for models that find objects: those of task {bundle.Task.Name} have no such results");
    }

    /// <summary>What a user should know of the file, a sentence each.</summary>
    internal IEnumerable<string> Remarks => [.. writer.Remark is { } remark ? [remark] : Array.Empty<string>(), numbers.Remark];

    /// <summary>Writes an answer.</summary>
    internal void Write(AskedSample asked, Prediction prediction) => writer.Write(numbers.Of(asked), prediction);

    /// <summary>Puts the file in its place.</summary>
    internal void Complete()
    {
        writer.Dispose();
        stream.Flush(flushToDisk: true);
        stream.Dispose();
        File.Move(building, path, overwrite: true);
    }

    /// <summary>Leaves nothing behind where the file was not completed.</summary>
    public void Dispose()
    {
        stream.Dispose();
        File.Delete(building);
    }
}

/// <summary>
/// Numbers of images in results: those of an annotation file, those that files are named by, or the order in which they come.
/// </summary>
internal sealed class ImageNumbers
{
    private readonly IReadOnlyDictionary<string, long>? listed; // by file name
    private readonly string? source;
    private readonly bool isNamed;
    private long last;

    private ImageNumbers(IReadOnlyDictionary<string, long>? listed, string? source, bool isNamed) =>
        (this.listed, this.source, this.isNamed) = (listed, source, isNamed);

    /// <summary>What a user should know of the numbers.</summary>
    internal string Remark =>
        source is not null ? $"image ids are those of {source}"
        : isNamed ? "image ids are the numbers that the files are named by"
        : "image ids are 1, 2, ... in the order of the images (--coco-ids takes those of an annotation file)";

    /// <summary>Numbers for files.</summary>
    /// <param name="given">The files.</param>
    /// <param name="annotations">A COCO json that lists them; null for none.</param>
    /// <exception cref="UserException">The file is no such json, or does not list one of the images.</exception>
    internal static ImageNumbers Of(IReadOnlyList<GivenFile> given, string? annotations)
    {
        if (annotations is null)
        {
            long?[] named = [.. given.Select(file => file.IsVideo ? null : Named(file))];
            return new(null, null, named.All(number => number is not null) && named.Distinct().Count() == named.Length);
        }
        var listed = Listed(annotations);
        foreach (var file in given)
            if (file.IsVideo || Find(listed, file) is null)
                throw new UserException(
                    $"--coco-ids {annotations}: it lists no image {Path.GetFileName(file.Path)}; it must list every image that is given"
                );
        return new(listed, annotations, false);
    }

    private static long? Named(GivenFile file) =>
        long.TryParse(Path.GetFileNameWithoutExtension(file.Path), NumberStyles.None, CultureInfo.InvariantCulture, out var number)
            ? number
            : null;

    // By the longest part of the path that is listed.
    private static long? Find(IReadOnlyDictionary<string, long> listed, GivenFile file)
    {
        for (var path = Path.GetFullPath(file.Path).TrimStart('/'); ; path = path[(path.IndexOf('/', StringComparison.Ordinal) + 1)..])
        {
            if (listed.TryGetValue(path, out var id))
                return id;
            if (!path.Contains('/', StringComparison.Ordinal))
                return null;
        }
    }

    private static Dictionary<string, long> Listed(string file)
    {
        if (!File.Exists(file))
            throw new UserException($"--coco-ids: there is no file {file}");
        var listed = new Dictionary<string, long>(StringComparer.Ordinal);
        try
        {
            using var json = JsonDocument.Parse(File.ReadAllBytes(file));
            foreach (var image in json.RootElement.GetProperty("images").EnumerateArray())
                if (!listed.TryAdd(image.GetProperty("file_name").GetString() ?? "", image.GetProperty("id").GetInt64()))
                    throw new UserException($"--coco-ids {file}: it lists {image.GetProperty("file_name")} twice");
        }
        catch (Exception error) when (error is JsonException or KeyNotFoundException or InvalidOperationException or FormatException)
        {
            throw new UserException($"--coco-ids {file}: it must be a COCO json with images, each with id and file_name ({error.Message})");
        }
        return listed;
    }

    /// <summary>The number of an image.</summary>
    internal long Of(AskedSample asked)
    {
        last++;
        return listed is not null ? Find(listed, asked.File)!.Value
            : isNamed ? Named(asked.File)!.Value
            : last;
    }
}
