namespace Tessera.Testing;

/// <summary>The checkout that the tests run in.</summary>
public static class Repository
{
    /// <summary>Its folder.</summary>
    public static string Root { get; } = Find();

    /// <summary>A file or a folder below tests.</summary>
    /// <param name="names">The folders that lead to it, and its own name.</param>
    public static string Tests(params string[] names) => Path.Combine([Root, "tests", .. names]);

    private static string Find()
    {
        for (var at = new DirectoryInfo(AppContext.BaseDirectory); at is not null; at = at.Parent)
            if (File.Exists(Path.Combine(at.FullName, "Tessera.slnx")))
                return at.FullName;
        throw new DirectoryNotFoundException("the tests do not run inside of the checkout");
    }
}
