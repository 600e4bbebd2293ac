using System.Reflection;
using System.Runtime.InteropServices;

namespace Tessera.Data;

/// <summary>
/// The libvips of this process: the system's, else that of the package NetVips.Native. All names lead to the one file: its own GLib is
/// found through it, so a call never gets to another GLib than the one that libvips works with.
/// </summary>
/// <param name="Handle">What the loader gave.</param>
/// <param name="Name">The name or the path by which it was loaded.</param>
/// <param name="Origin">Whose it is, in a word: the system's, the package's, or that of <see cref="Variable"/>.</param>
internal sealed record VipsLibrary(nint Handle, string Name, string Origin)
{
    internal const string Vips = "vips";
    internal const string GLib = "glib-2.0";
    internal const string GObject = "gobject-2.0";

    /// <summary>Names a file that is to be taken, and no other.</summary>
    internal const string Variable = "TESSERA_LIBVIPS";

    /// <summary>Values of <see cref="Origin"/>.</summary>
    internal const string OfSystem = "system",
        OfPackage = "package";

    // Of the system, and in the package.
    private const string FileName = "libvips.so.42";

    // An error is kept: whoever calls later gets the same sentence.
    private static readonly Lazy<VipsLibrary> chosen = new(() =>
        Choose(
            Environment.GetEnvironmentVariable(Variable),
            PackageFolders(),
            name => NativeLibrary.TryLoad(name, out var handle) ? handle : 0,
            HasGlobalGLib
        )
    );

    // Nothing here can fail: an exception of a static constructor would come wrapped in another.
    static VipsLibrary() => NativeLibrary.SetDllImportResolver(typeof(VipsLibrary).Assembly, Resolve);

    /// <summary>The one of this process.</summary>
    /// <exception cref="DataException">There is none.</exception>
    internal static VipsLibrary OfProcess => chosen.Value;

    private static nint Resolve(string name, Assembly assembly, DllImportSearchPath? path) =>
        name is Vips or GLib or GObject ? chosen.Value.Handle : 0;

    /// <summary>Chooses it.</summary>
    /// <param name="named">The value of <see cref="Variable"/>.</param>
    /// <param name="packages">Folders in which files of packages may lie.</param>
    /// <param name="load">Loads a library by name or path; 0 where that fails.</param>
    /// <param name="hasGlobalGLib">Whether a GLib is there whose functions every library is given that is loaded from now on.</param>
    /// <exception cref="DataException">There is none that may be taken.</exception>
    internal static VipsLibrary Choose(string? named, IEnumerable<string> packages, Func<string, nint> load, Func<bool> hasGlobalGLib)
    {
        if (!string.IsNullOrEmpty(named))
            return load(named) is not 0 and var own
                ? new(own, named, Variable)
                : throw new DataException($"{Variable} names {named}, which does not load: it must be a libvips.so.42");
        foreach (var name in new[] { FileName, "libvips.so" })
            if (load(name) is not 0 and var handle)
                return new(handle, name, OfSystem);
        var tried = packages.Select(folder => Path.Combine(folder, FileName)).Distinct(StringComparer.Ordinal).ToArray();
        if (tried.FirstOrDefault(File.Exists) is not { } file)
            throw new DataException(
                $"{FileName} was not found: install libvips (Debian: apt-get install libvips42), or add the package "
                    + $"NetVips.Native.linux-x64 to the project (looked in the system's folders, then for {string.Join(", ", tried)})"
            );
        // Its GLib would be a second one, half of whose calls the loader hands to the first.
        if (hasGlobalGLib())
            throw new DataException(
                $"this process holds a GLib for all its libraries, and {file} would bring another: "
                    + "install the system's libvips, which uses the same (Debian: apt-get install libvips42)"
            );
        return load(file) is not 0 and var packaged
            ? new(packaged, file, OfPackage)
            : throw new DataException($"{file} does not load: it needs glibc 2.28 and libstdc++, or install libvips (Debian: libvips42)");
    }

    // A GLib that another library brought along for itself (Debian's libtorch does, through OpenCV) is none of these: nobody else sees it.
    private static bool HasGlobalGLib() => NativeLibrary.TryGetExport(NativeLibrary.GetMainProgramHandle(), "g_malloc", out _);

    private static IEnumerable<string> PackageFolders() =>
        [
            .. (AppContext.GetData("NATIVE_DLL_SEARCH_DIRECTORIES") as string ?? "").Split(
                Path.PathSeparator,
                StringSplitOptions.RemoveEmptyEntries
            ),
            AppContext.BaseDirectory,
            Path.Combine(AppContext.BaseDirectory, "runtimes", "linux-x64", "native"),
        ];
}
