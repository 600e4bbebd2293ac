namespace Tessera.Data.Sets;

/// <summary>Looking for the folder of a data set.</summary>
internal static class Places
{
    /// <summary>
    /// The first folder that holds a marker file, with or without <c>.gz</c> behind its name: the data set's own folder, or a folder of the
    /// same name inside of it, as archives have it.
    /// </summary>
    /// <param name="name">Data set, for the error.</param>
    /// <param name="root">The folder that was asked for; else the cache and <paramref name="others"/> are tried.</param>
    /// <param name="folder">Folder below the cache.</param>
    /// <param name="marker">Relative path of a file that must be there.</param>
    /// <param name="others">Further folders.</param>
    /// <exception cref="DataException">In none of them.</exception>
    internal static string Find(string name, string? root, string folder, string marker, params ReadOnlySpan<string> others)
    {
        string[] candidates = root is null
            ? [Path.Combine(Datasets.Cache, folder), Path.Combine(Datasets.Cache, folder, folder), .. others]
            : [root, Path.Combine(root, folder), Path.Combine(root, folder, folder)];
        return TryFind(candidates, marker) ?? throw Missing(name, marker, candidates);
    }

    internal static string? TryFind(IEnumerable<string> candidates, string marker) =>
        candidates.FirstOrDefault(candidate =>
            File.Exists(Path.Combine(candidate, marker)) || File.Exists(Path.Combine(candidate, marker + ".gz"))
        );

    internal static DataException Missing(string name, string marker, IEnumerable<string> candidates) =>
        new(
            $"{name}: no {marker} in {string.Join(" or ", candidates)}; "
                + $"fetch it with 'tessera data get {name}' or let data.root name its folder"
        );
}
