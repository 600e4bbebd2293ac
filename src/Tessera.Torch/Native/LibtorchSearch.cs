namespace Tessera.Native;

/// <summary>Looks for every libtorch that a program could use.</summary>
internal static class LibtorchSearch
{
    /// <summary>The variable that names one; nothing else is taken then.</summary>
    internal const string Variable = "TESSERA_LIBTORCH";

    // Python's folders of packages: its own, and those that Debian looks after.
    private static readonly string[] packages = ["site-packages", "dist-packages"];

    /// <summary>The folders in which libraries of libtorch may lie, the better ones first, and each once.</summary>
    /// <param name="places">Where to look.</param>
    internal static IReadOnlyList<string> Folders(Places places) =>
        [
            .. (places.Given(Variable) is { } named ? Below(Path.GetFullPath(named)) : Everywhere(places))
                .Select(folder => folder.TrimEnd('/'))
                .Distinct(StringComparer.Ordinal),
        ];

    /// <summary>Those that are there, in the order of <see cref="Folders"/>; one that several folders lead to is given once.</summary>
    /// <param name="places">Where to look.</param>
    internal static IReadOnlyList<Libtorch> Found(Places places) =>
        [
            .. Folders(places)
                .Select(Readable)
                .OfType<Libtorch>()
                .DistinctBy(found => File.ResolveLinkTarget(found.File, returnFinalTarget: true)?.FullName ?? found.File),
        ];

    // The loader passes over a folder that it may not read, too.
    private static Libtorch? Readable(string folder)
    {
        try
        {
            return Libtorch.In(folder);
        }
        catch (UnauthorizedAccessException)
        {
            return null;
        }
    }

    // The folder of a libtorch or of a Python package holds lib/; one may also name the folder of the libraries itself.
    private static IEnumerable<string> Below(string named) =>
        [Path.Combine(named, "lib"), .. Directories(Path.Combine(named, "lib"), "*-linux-gnu"), named];

    private static IEnumerable<string> Everywhere(Places places) =>
        [
            // What a program brings along, it wants.
            .. places.NativeFolders,
            .. places.SystemFolders,
            .. new[]
            {
                places.Given("VIRTUAL_ENV"),
                places.Given("CONDA_PREFIX"),
                places.Home.Length > 0 ? Path.Combine(places.Home, ".local") : null,
                places.At("usr", "local"),
            }
                .OfType<string>()
                .SelectMany(prefix => Directories(Path.Combine(prefix, "lib"), "python3*"))
                .Append(places.At("usr", "lib", "python3"))
                .SelectMany(python => packages.Select(kind => Path.Combine(python, kind, "torch", "lib")))
                .Where(Directory.Exists),
        ];

    private static IEnumerable<string> Directories(string folder, string pattern) =>
        Directory.Exists(folder) ? Directory.EnumerateDirectories(folder, pattern).OrderDescending(StringComparer.Ordinal) : [];
}
