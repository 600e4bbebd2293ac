using System.Reflection;
using System.Runtime.InteropServices;
using SQLitePCL;

namespace Tessera.Search.Storage;

/// <summary>
/// The SQLite that comes along. Debian's libtorch brings the system's SQLite into the process, by way of OpenCV and GDAL, and the two have
/// the same names: loaded as usual, functions of the one call those of the other, which has other structures, and the process ends.
/// So this one is loaded to find its own names first.
/// </summary>
internal static partial class SqliteLibrary
{
    private const string Name = "e_sqlite3",
        SearchedFolders = "NATIVE_DLL_SEARCH_DIRECTORIES";

    private const int Now = 2, // RTLD_NOW
        OwnNamesFirst = 8; // RTLD_DEEPBIND, which glibc alone has

    private static readonly Lazy<bool> registered = new(() =>
    {
        NativeLibrary.SetDllImportResolver(typeof(SQLite3Provider_e_sqlite3).Assembly, Resolve);
        return true;
    });

    [LibraryImport("libc", EntryPoint = "dlopen", StringMarshalling = StringMarshalling.Utf8)]
    private static partial nint Open(string path, int mode);

    /// <summary>Sees to it, before SQLite is used for the first time.</summary>
    internal static void Prepare() => _ = registered.Value;

    // 0 leaves it to the runtime.
    private static nint Resolve(string name, Assembly assembly, DllImportSearchPath? path)
    {
        if (name != Name || !OperatingSystem.IsLinux())
            return 0;
        var folders = ((string?)AppContext.GetData(SearchedFolders) ?? "").Split(':', StringSplitOptions.RemoveEmptyEntries);
        return folders
            .Append(AppContext.BaseDirectory)
            .Select(folder => Path.Combine(folder, $"lib{Name}.so"))
            .Where(File.Exists)
            .Select(file => Open(file, Now | OwnNamesFirst))
            .FirstOrDefault(handle => handle != 0);
    }
}
