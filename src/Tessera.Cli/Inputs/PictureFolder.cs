using Tessera.Cli.Shell;
using Tessera.Training.Tasks;

namespace Tessera.Cli.Inputs;

/// <summary>A folder that takes pictures of answers, named after the files that were asked about.</summary>
internal sealed class PictureFolder
{
    private readonly string folder;

    private PictureFolder(string folder) => this.folder = folder;

    /// <summary>The folder, once it is known that no picture takes the place of another, or of a file that was given.</summary>
    /// <param name="folder">The folder; it is made with the first picture.</param>
    /// <param name="given">The files that are asked about.</param>
    /// <param name="task">Says which pictures there are.</param>
    /// <exception cref="UserException">There are no pictures of such answers, or two would have one name.</exception>
    internal static PictureFolder For(string folder, IReadOnlyList<string> given, TaskKind task)
    {
        if (task.PictureSuffixes.Count == 0)
            throw new UserException(
                $"--out is for models whose answers are pictures: those of task {task.Name} are classes, which are printed"
            );
        var owners = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var file in given)
        foreach (var suffix in task.PictureSuffixes)
            if (!owners.TryAdd(Stem(file) + suffix, file))
                throw new UserException(
                    $"--out {folder}: {owners[Stem(file) + suffix]} and {file} would both be written to {Stem(file) + suffix}: "
                        + "give each its own folder, or rename one"
                );
        foreach (var file in given)
            if (owners.Keys.FirstOrDefault(name => Path.GetFullPath(name, Path.GetFullPath(folder)) == Path.GetFullPath(file)) is { } name)
                throw new UserException(
                    $"--out {folder}: the picture {name} of {owners[name]} would take the place of {file}, which was given: "
                        + "choose another folder"
                );
        return new(folder);
    }

    /// <summary>Writes the pictures of an answer, each whole or not at all.</summary>
    /// <param name="file">The file that was asked about.</param>
    /// <param name="pictures">The pictures.</param>
    /// <returns>Their paths.</returns>
    internal IReadOnlyList<string> Write(string file, IEnumerable<PredictionPicture> pictures)
    {
        List<string> written = [];
        foreach (var picture in pictures)
        {
            var path = Path.Combine(folder, Stem(file) + picture.Suffix);
            AtomicFile.Write(path, picture.File);
            written.Add(path);
        }
        return written;
    }

    private static string Stem(string file) => Path.GetFileNameWithoutExtension(file);
}
