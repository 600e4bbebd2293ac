using System.Runtime.InteropServices;

namespace Tessera.Native;

/// <summary>Where a process looks for native libraries. Tests look in others.</summary>
/// <param name="Variable">A variable of the environment, null where it is not set.</param>
/// <param name="Application">The folder of the program.</param>
/// <param name="NativeFolders">Folders in which .NET looks for the native files of packages.</param>
/// <param name="Root">The root of the file system.</param>
/// <param name="Home">The user's own folder; empty where there is none.</param>
/// <param name="Rid">The runtime identifier of .NET, such as linux-x64.</param>
internal sealed record Places(
    Func<string, string?> Variable,
    string Application,
    IReadOnlyList<string> NativeFolders,
    string Root,
    string Home,
    string Rid
)
{
    /// <summary>Those of this process.</summary>
    internal static Places OfProcess()
    {
        var application = AppContext.BaseDirectory;
        var native = AppContext.GetData("NATIVE_DLL_SEARCH_DIRECTORIES") as string ?? "";
        return new(
            Environment.GetEnvironmentVariable,
            application,
            // The last is where the files lie when a host loads a program's assemblies by itself and tells no folders.
            [
                .. native.Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries),
                application,
                Path.Combine(application, "runtimes", "linux-" + Architecture, "native"),
            ],
            "/",
            Environment.GetFolderPath(Environment.SpecialFolder.UserProfile),
            RuntimeInformation.RuntimeIdentifier
        );
    }

    /// <summary>A variable of the environment; null where it is not set or empty.</summary>
    internal string? Given(string variable) => Variable(variable) is { Length: > 0 } value ? value : null;

    /// <summary>A path below the root.</summary>
    internal string At(params string[] parts) => Path.Combine([Root, .. parts]);

    /// <summary>Folders in which the loader looks: what LD_LIBRARY_PATH names, then the system's.</summary>
    internal IEnumerable<string> SystemFolders =>
        [
            .. Given("LD_LIBRARY_PATH")?.Split(':', StringSplitOptions.RemoveEmptyEntries) ?? [],
            At("usr", "local", "lib"),
            At("usr", "lib", Triplet),
            At("usr", "lib64"),
            At("usr", "lib"),
        ];

    /// <summary>Where a library is built that no package holds: below XDG_CACHE_HOME, else below ~/.cache; null without a home.</summary>
    internal string? Cache =>
        Given("XDG_CACHE_HOME") is { } given ? Path.Combine(given, "tessera", "native")
        : Home.Length > 0 ? Path.Combine(Home, ".cache", "tessera", "native")
        : null;

    /// <summary>Why Tessera cannot run on this system, in a sentence; null where it can.</summary>
    internal string? Unsupported =>
        Rid.Contains("musl", StringComparison.Ordinal) || Rid.StartsWith("alpine", StringComparison.Ordinal)
            ? $"Tessera needs a Linux with glibc, as libtorch does: this one ({Rid}) has musl; use an image of Debian, for example"
        : Rid.StartsWith("win", StringComparison.Ordinal) || Rid.StartsWith("osx", StringComparison.Ordinal)
            ? $"Tessera needs a Linux with glibc, as its native library does: this is {Rid}"
        : null;

    private static string Architecture =>
        RuntimeInformation.OSArchitecture == System.Runtime.InteropServices.Architecture.Arm64 ? "arm64" : "x64";

    private static string Triplet =>
        RuntimeInformation.OSArchitecture == System.Runtime.InteropServices.Architecture.Arm64 ? "aarch64-linux-gnu" : "x86_64-linux-gnu";
}
