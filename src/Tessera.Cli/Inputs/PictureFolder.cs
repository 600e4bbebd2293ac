using Tessera.Cli.Shell;
using Tessera.Training.Tasks;

namespace Tessera.Cli.Inputs;

/// <summary>A folder that takes pictures of answers, named after what was asked about.</summary>
internal sealed class PictureFolder
{
    private readonly string folder;
    private readonly PictureNames names;

    private PictureFolder(string folder, PictureNames names) => (this.folder, this.names) = (folder, names);

    /// <summary>The folder, once it is known that no picture takes the place of another, or of a file that was given.</summary>
    /// <param name="folder">The folder; it is made with the first picture.</param>
    /// <param name="given">The files that are asked about.</param>
    /// <param name="task">Says which pictures there are.</param>
    /// <exception cref="UserException">There are no pictures of such answers, or one would replace a file that was given.</exception>
    internal static PictureFolder For(string folder, IReadOnlyList<GivenFile> given, TaskKind task)
    {
        if (task.PictureSuffixes.Count == 0)
            throw new UserException(
                $"--out is for models whose answers are pictures: those of task {task.Name} are classes, which are printed"
            );
        var names = PictureNames.Of(given, task.PictureSuffixes);
        foreach (var file in given)
            if (names.Owner(Path.GetRelativePath(folder, file.Path)) is { } owner)
                throw new UserException(
                    $"--out {folder}: the picture {Path.GetRelativePath(folder, file.Path)} of {owner} would take the place of "
                        + $"{file.Path}, which was given: choose another folder"
                );
        return new(folder, names);
    }

    /// <summary>What a user should know of the names; null for nothing.</summary>
    internal string? Remark => names.Remark;

    /// <summary>Writes the pictures of an answer, each whole or not at all.</summary>
    /// <param name="asked">What was asked about.</param>
    /// <param name="pictures">The pictures.</param>
    /// <returns>Their paths.</returns>
    internal IReadOnlyList<string> Write(AskedSample asked, IEnumerable<PredictionPicture> pictures)
    {
        List<string> written = [];
        foreach (var picture in pictures)
        {
            var path = Path.Combine(folder, names.Of(asked) + picture.Suffix);
            AtomicFile.Write(path, picture.File);
            written.Add(path);
        }
        return written;
    }
}
