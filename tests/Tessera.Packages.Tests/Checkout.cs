using Tessera.Testing;

namespace Tessera.Packages.Tests;

/// <summary>The checkout that these tests were built in.</summary>
internal static class Checkout
{
    /// <summary>Release or Debug: as these tests were built, so are the packages.</summary>
    internal static string Configuration { get; } = new DirectoryInfo(AppContext.BaseDirectory).Name;

    internal static string Root => Repository.Root;

    /// <summary>The native library that was built in it, or the one that the tests are told to use.</summary>
    internal static string NativeLibrary { get; } =
        Environment.GetEnvironmentVariable("TESSERA_NATIVE") is { Length: > 0 } named
            ? named
            : Path.Combine(Root, "artifacts", "native", "system", "libtessera.so");

    /// <summary>The C# of a project's page, as a user copies it.</summary>
    internal static string CodeOf(string project)
    {
        var page = File.ReadAllText(Path.Combine(Root, "src", project, "README.md"));
        const string Fence = "```";
        var from = page.IndexOf(Fence + "csharp\n", StringComparison.Ordinal);
        Assert.True(from >= 0, $"the page of {project} has no C#");
        from += Fence.Length + "csharp\n".Length;
        return page[from..page.IndexOf(Fence, from, StringComparison.Ordinal)];
    }
}
