using System.Globalization;

namespace Tessera.Training.Runs;

/// <summary>A picture of an evaluation.</summary>
/// <param name="Name">Of its kind.</param>
/// <param name="Step">Steps that were done.</param>
/// <param name="Path">The PNG file.</param>
public sealed record RunPicture(string Name, long Step, string Path);

/// <summary>The pictures that a run keeps of its evaluations: files <c>NAME-STEP.png</c>.</summary>
/// <param name="folder">Their folder, which is there from the first picture on.</param>
internal sealed class RunPictures(string folder)
{
    /// <summary>End of the name of a picture of the moving average of the weights.</summary>
    internal const string Averaged = "-ema";

    private const string Ending = ".png";

    /// <summary>All pictures, by name and then by step.</summary>
    internal IReadOnlyList<RunPicture> All =>
        Directory.Exists(folder)
            ?
            [
                .. Directory
                    .EnumerateFiles(folder, $"*{Ending}")
                    .Select(Parsed)
                    .OfType<RunPicture>()
                    .OrderBy(picture => picture.Name, StringComparer.Ordinal)
                    .ThenBy(picture => picture.Step),
            ]
            : [];

    /// <summary>Writes a picture, in the place of one of the same name and step.</summary>
    internal void Write(string name, long step, byte[] png) =>
        RunFolder.Write(Path.Combine(folder, string.Create(CultureInfo.InvariantCulture, $"{name}-{step:D8}{Ending}")), png);

    /// <summary>Deletes the pictures of steps that do not count any more.</summary>
    internal void DeleteAfter(long step)
    {
        foreach (var picture in All.Where(picture => picture.Step > step))
            File.Delete(picture.Path);
    }

    private static RunPicture? Parsed(string path)
    {
        var stem = Path.GetFileNameWithoutExtension(path);
        var cut = stem.LastIndexOf('-');
        return cut > 0 && long.TryParse(stem[(cut + 1)..], NumberStyles.None, CultureInfo.InvariantCulture, out var step)
            ? new(stem[..cut], step, path)
            : null;
    }
}
