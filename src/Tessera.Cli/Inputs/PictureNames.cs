namespace Tessera.Cli.Inputs;

/// <summary>
/// Names of pictures, so that no two are the same: those of the files where these differ, else with the folders that the files lie in, and
/// where that does not suffice with the endings too.
/// </summary>
internal sealed class PictureNames
{
    private readonly Dictionary<string, string> stems; // by full path
    private readonly Dictionary<string, string> owners; // by name of the picture

    private PictureNames(Dictionary<string, string> stems, Dictionary<string, string> owners, string? remark) =>
        (this.stems, this.owners, Remark) = (stems, owners, remark);

    /// <summary>What a user should know of the names; null for nothing.</summary>
    internal string? Remark { get; }

    /// <summary>Names for files.</summary>
    /// <param name="given">The files; one that is there twice has one name.</param>
    /// <param name="suffixes">Ends of the names of the pictures of a file.</param>
    internal static PictureNames Of(IReadOnlyList<GivenFile> given, IReadOnlyList<string> suffixes)
    {
        GivenFile[] files = [.. given.DistinctBy(file => Path.GetFullPath(file.Path))];
        var root = Root(files);
        (Func<GivenFile, string> Name, string? Remark)[] forms =
        [
            (file => WithoutEnding(file.InFolder ?? Path.GetFileName(file.Path)), null),
            (file => WithoutEnding(Below(root, file)), "pictures lie in the folders of their files, since several files have one name"),
            (
                file => Below(root, file),
                "pictures are named by the whole names of their files, since several differ in their endings alone"
            ),
        ];
        foreach (var (name, remark) in forms)
        {
            var stems = files.ToDictionary(file => Path.GetFullPath(file.Path), name);
            var owners = new Dictionary<string, string>(StringComparer.Ordinal);
            // Pictures of frames lie in a folder of their own.
            var differ = files.All(file =>
                (file.IsVideo ? ["/"] : suffixes).All(suffix => owners.TryAdd(stems[Path.GetFullPath(file.Path)] + suffix, file.Path))
            );
            if (differ)
                return new(stems, owners, remark);
        }
        throw new Shell.UserException(
            "--out: pictures of several of the given files would have one name: ask about them in several calls, or rename some"
        );
    }

    /// <summary>The name of the pictures of a sample, without their endings.</summary>
    internal string Of(AskedSample asked)
    {
        var stem = stems[Path.GetFullPath(asked.File.Path)];
        return asked.Frame is { } frame ? $"{stem}/{frame.Name}" : stem;
    }

    /// <summary>The file whose picture has a name; null for none.</summary>
    internal string? Owner(string name) =>
        owners.GetValueOrDefault(name)
        ?? owners.FirstOrDefault(entry => entry.Key[^1] == '/' && name.StartsWith(entry.Key, StringComparison.Ordinal)).Value;

    private static string WithoutEnding(string path) => path[..^Path.GetExtension(path).Length];

    private static string Below(string root, GivenFile file) => Path.GetRelativePath(root, Path.GetFullPath(file.Path));

    // The deepest folder that holds all files.
    private static string Root(GivenFile[] files)
    {
        string[][] parts =
        [
            .. files.Select(file => Path.GetDirectoryName(Path.GetFullPath(file.Path))!.Split(Path.DirectorySeparatorChar)),
        ];
        var common = 0;
        while (parts.All(own => own.Length > common && own[common] == parts[0][common]))
            common++;
        return string.Join(Path.DirectorySeparatorChar, parts[0][..common]) is { Length: > 0 } folder ? folder : "/";
    }
}
