namespace Tessera.Data.Tests;

/// <summary>Files of the checkout.</summary>
internal static class Repository
{
    /// <summary>The project's own copy of golden files of a system.</summary>
    internal static string GoldenFolder(string system)
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
            if (Path.Combine(folder.FullName, "tests", "goldens", system) is var candidate && Directory.Exists(candidate)) return candidate;
        throw new DirectoryNotFoundException($"tests/goldens/{system} above {AppContext.BaseDirectory}");
    }
}
