namespace Tessera.Data.Tests;

/// <summary>Files of the checkout.</summary>
internal static class Repository
{
    /// <summary>The project's own copy of golden files of a system.</summary>
    internal static string GoldenFolder(string system) => Folder("goldens", system);

    /// <summary>A folder below tests.</summary>
    internal static string Folder(params string[] names)
    {
        var relative = Path.Combine(["tests", .. names]);
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
            if (Path.Combine(folder.FullName, relative) is var candidate && Directory.Exists(candidate))
                return candidate;
        throw new DirectoryNotFoundException($"{relative} above {AppContext.BaseDirectory}");
    }
}
