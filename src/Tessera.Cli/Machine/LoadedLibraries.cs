namespace Tessera.Cli.Machine;

/// <summary>The native libraries of this process, as the system lists them.</summary>
internal static class LoadedLibraries
{
    /// <summary>The path of a library that is loaded by now.</summary>
    /// <param name="starts">How the name of its file starts; the first that fits decides where several do.</param>
    /// <returns>Null where there is none, or where the system has no list.</returns>
    internal static string? Find(params ReadOnlySpan<string> starts)
    {
        if (!File.Exists("/proc/self/maps"))
            return null;
        var paths = File.ReadLines("/proc/self/maps")
            .Select(line => line.IndexOf('/', StringComparison.Ordinal) is >= 0 and var at ? line[at..] : "")
            .Where(path => path.Contains(".so", StringComparison.Ordinal))
            .Distinct()
            .ToArray();
        foreach (var start in starts)
            if (Array.Find(paths, path => Path.GetFileName(path).StartsWith(start, StringComparison.Ordinal)) is { } found)
                return found;
        return null;
    }
}
