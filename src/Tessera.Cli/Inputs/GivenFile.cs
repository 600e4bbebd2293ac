using Tessera.Cli.Shell;
using Tessera.Data.Imaging;
using Tessera.Training.Bundles;
using Tessera.Training.Tasks;

namespace Tessera.Cli.Inputs;

/// <summary>A file that a model is asked about: an image or a video.</summary>
/// <param name="Path">The file.</param>
/// <param name="InFolder">Its path in the folder that was given; null where the file itself was.</param>
internal sealed record GivenFile(string Path, string? InFolder = null)
{
    // Endings of files whose frames are looked at. What they hold is ffmpeg's matter.
    private static readonly string[] videos =
    [
        ".mp4",
        ".m4v",
        ".mov",
        ".mkv",
        ".webm",
        ".avi",
        ".mpg",
        ".mpeg",
        ".wmv",
        ".flv",
        ".ogv",
        ".ts",
        ".mts",
        ".3gp",
    ];

    /// <summary>Whether its frames are looked at, one after the other.</summary>
    internal bool IsVideo { get; } = Has(Path, videos);

    /// <summary>What a user has given: files, and all images of folders.</summary>
    /// <exception cref="UserException">A folder without images.</exception>
    internal static IReadOnlyList<GivenFile> Of(IEnumerable<string> given) =>
        [.. given.SelectMany(path => Directory.Exists(path) ? InFolderOf(path) : [new(path)])];

    private static GivenFile[] InFolderOf(string folder)
    {
        GivenFile[] found =
        [
            .. Directory
                .EnumerateFiles(folder, "*", SearchOption.AllDirectories)
                .Where(file => Has(file, ImageDecoder.Extensions) || Has(file, videos))
                .Order(StringComparer.Ordinal)
                .Select(file => new GivenFile(file, System.IO.Path.GetRelativePath(folder, file))),
        ];
        return found.Length > 0
            ? found
            : throw new UserException(
                $"{folder}: there is no image in this folder (endings: {string.Join(", ", ImageDecoder.Extensions)})"
            );
    }

    private static bool Has(string file, IReadOnlyList<string> endings) =>
        endings.Contains(System.IO.Path.GetExtension(file), StringComparer.OrdinalIgnoreCase);

    /// <summary>The samples in it, one after the other: a video is not in memory as a whole.</summary>
    /// <param name="bundle">The model that is asked.</param>
    /// <param name="every">Of a video, each frame of such a number.</param>
    /// <param name="stop">Ends the reading of a video.</param>
    internal IEnumerable<AskedSample> Read(ModelBundle bundle, int every, CancellationToken stop)
    {
        if (!IsVideo)
        {
            yield return new(this, bundle.Read([Path]).Single());
            yield break;
        }
        foreach (var (frame, image) in VideoFrames.Read(Path, every, stop))
            using (image)
                yield return new(this, bundle.Read(image) with { Name = $"{Path} frame {frame.Number} ({frame.Time})" }, frame);
    }
}

/// <summary>A sample that a model is asked about.</summary>
/// <param name="File">Where it lies.</param>
/// <param name="Sample">The sample.</param>
/// <param name="Frame">Which frame of a video it is; null for an image.</param>
internal sealed record AskedSample(GivenFile File, GivenSample Sample, VideoFrame? Frame = null);
