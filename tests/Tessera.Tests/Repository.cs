namespace Tessera.Hosting.Tests;

/// <summary>The checkout that the tests run in.</summary>
internal static class Repository
{
    /// <summary>Its folder.</summary>
    internal static string Root { get; } = Find();

    private static string Find()
    {
        for (var at = new DirectoryInfo(AppContext.BaseDirectory); at is not null; at = at.Parent)
            if (File.Exists(Path.Combine(at.FullName, "Tessera.slnx")))
                return at.FullName;
        throw new DirectoryNotFoundException("the tests do not run inside of the checkout");
    }
}
