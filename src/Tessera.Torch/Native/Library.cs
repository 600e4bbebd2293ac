using System.Reflection;
using System.Runtime.InteropServices;

namespace Tessera.Native;

/// <summary>Loads the native library when it is first called, and sets the process up the way every use of it wants.</summary>
internal static unsafe class Library
{
    internal const string Name = "tessera";

    /// <summary>Number of the ABI that this assembly was written for; native/tessera.h has the shim's.</summary>
    internal const int Abi = 6;

    // An error is kept: whoever calls later gets the same sentence.
    private static readonly Lazy<(nint Handle, string File)> loaded = new(() => Load(Places.OfProcess()));

    // Nothing here can fail: an exception of a static constructor would come wrapped in another.
    static Library() => NativeLibrary.SetDllImportResolver(typeof(Library).Assembly, Resolve);

    // Other names are .NET's own business.
    private static nint Resolve(string name, Assembly assembly, DllImportSearchPath? path) => name == Name ? loaded.Value.Handle : 0;

    /// <summary>The path of the native library of this process; it is loaded first where it has not been.</summary>
    internal static string File => loaded.Value.File;

    // Environment.SetEnvironmentVariable changes the managed copy only.
    [DllImport("libc", EntryPoint = "setenv", CharSet = CharSet.Ansi, BestFitMapping = false, ThrowOnUnmappableChar = true)]
    private static extern int SetNativeEnvironment(string name, string value, int overwrite);

    private static (nint Handle, string File) Load(Places places)
    {
        if (places.Unsupported is { } reason)
            throw new PlatformNotSupportedException(reason);
        SetEnvironment();
        var shim = ShimSearch.Choose(places, ShimBuild.OfProcess(places), ProcessSetting.BuildNative.IsOnHere);
        LoadFirst(places, shim);
        var library = OfThisAbi(NativeLibrary.Load(shim.Path), shim.Path);
        if (ProcessSetting.KeepFreedMemory.IsOnHere)
            // Blocks up to 1 GiB.
            ((delegate* unmanaged<long, void>)NativeLibrary.GetExport(library, "tessera_keep_freed_memory"))(1L << 30);
        if (ProcessSetting.FullFloat32.IsOnHere)
            _ = ((delegate* unmanaged<int, int>)NativeLibrary.GetExport(library, "tessera_set_tf32"))(0);
        return (library, shim.Path);
    }

    // Read by libgomp and by UCX when they are loaded.
    private static void SetEnvironment()
    {
        if (ProcessSetting.SpinShortly.IsOnHere && Environment.GetEnvironmentVariable("OMP_WAIT_POLICY") is null)
            _ = SetNativeEnvironment("GOMP_SPINCOUNT", "10000", overwrite: 0);
        if (ProcessSetting.QuietUcx.IsOnHere)
            _ = SetNativeEnvironment("UCX_ERROR_SIGNALS", "", overwrite: 0);
    }

    // Symbols of libraries that are loaded together are looked up in all of them in turn: 286 with Debian's libtorch. One that is loaded
    // before, on its own, looks through its own dependencies only; so libtorch's are loaded one by one, the deepest first.
    private static void LoadFirst(Places places, Shim shim)
    {
        foreach (var name in shim.LoadedFirst(places))
        {
            if (name.StartsWith("libblas.", StringComparison.Ordinal) || name.StartsWith("liblapack.", StringComparison.Ordinal))
                ChooseBlasCore();
            // Without them all works as well, only later.
            NativeLibrary.TryLoad(name, out _);
        }
    }

    private static void ChooseBlasCore()
    {
        if (ProcessSetting.ChooseBlasCore.IsOnHere && string.IsNullOrEmpty(Environment.GetEnvironmentVariable(BlasCore.Variable)))
            BlasCore.Choose(
                BlasCore.File,
                own => BlasCore.Better(own, BlasCore.Features.Here),
                (name, value) => _ = SetNativeEnvironment(name, value, overwrite: 1)
            );
    }

    private static nint OfThisAbi(nint library, string path)
    {
        var found = NativeLibrary.TryGetExport(library, "tessera_abi", out var function) ? ((delegate* unmanaged<int>)function)() : 0;
        if (found == Abi)
            return library;
        throw new DllNotFoundException(
            $"{path} belongs to another version of Tessera (its interface has number {found}, this version needs {Abi}): "
                + "in a checkout run ./tessera once to rebuild it, else use the file of the package of the same version"
        );
    }
}
