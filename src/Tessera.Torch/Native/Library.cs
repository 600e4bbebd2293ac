using System.Reflection;
using System.Runtime.InteropServices;

namespace Tessera.Native;

/// <summary>Finds the native shim: where TESSERA_NATIVE says, beside the assembly, or in the checkout's artifacts.</summary>
internal static unsafe class Library
{
    internal const string Name = "tessera";

    /// <summary>Number of the ABI that this assembly was written for; native/tessera.h has the shim's.</summary>
    internal const int Abi = 4;

    // Runs once, before the first native call: the engine is set up the way every use of it wants.
    static Library()
    {
        NativeLibrary.SetDllImportResolver(typeof(Library).Assembly, Resolve);
        // OpenMP's threads wait for each other by spinning; beside a busy neighbour that makes them twenty times slower.
        // A short spin, then sleep, costs nothing measurable on a quiet machine. Read by libgomp when it is loaded.
        if (Environment.GetEnvironmentVariable("OMP_WAIT_POLICY") is null)
            _ = SetNativeEnvironment("GOMP_SPINCOUNT", "10000", overwrite: 0);
        // UCX, which Debian 13's libtorch brings, would end the process at signals by which .NET finds null references.
        _ = SetNativeEnvironment("UCX_ERROR_SIGNALS", "", overwrite: 0);
        // Blocks up to 1 GiB stay with the process: returning them to the kernel costs page faults at every step.
        Imports.KeepFreedMemory(1L << 30);
        // The engine's own default lets convolutions on CUDA round to 10 bits.
        _ = Imports.SetTf32(0);
    }

    // Environment.SetEnvironmentVariable changes the managed copy only.
    [DllImport("libc", EntryPoint = "setenv", CharSet = CharSet.Ansi, BestFitMapping = false, ThrowOnUnmappableChar = true)]
    private static extern int SetNativeEnvironment(string name, string value, int overwrite);

    private static nint Resolve(string name, Assembly assembly, DllImportSearchPath? path)
    {
        if (name != Name)
            return 0;
        foreach (var candidate in Candidates())
        {
            if (!File.Exists(candidate))
                continue;
            LoadFirst(Path.ChangeExtension(candidate, ".first"));
            return OfThisAbi(NativeLibrary.Load(candidate), candidate);
        }
        throw new DllNotFoundException("libtessera.so was not found: run ./tessera once to build it, or set TESSERA_NATIVE to its path");
    }

    // Libraries that are better loaded before, which the native build lists: without them all works as well, only later.
    private static void LoadFirst(string list)
    {
        if (!File.Exists(list))
            return;
        foreach (var name in File.ReadLines(list))
        {
            if (name.StartsWith("libblas.", StringComparison.Ordinal) || name.StartsWith("liblapack.", StringComparison.Ordinal))
                ChooseBlasCore();
            NativeLibrary.TryLoad(name, out _);
        }
    }

    private static void ChooseBlasCore()
    {
        if (string.IsNullOrEmpty(Environment.GetEnvironmentVariable(BlasCore.Variable)))
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
                + "run ./tessera once to rebuild it"
        );
    }

    private static IEnumerable<string> Candidates()
    {
        if (Environment.GetEnvironmentVariable("TESSERA_NATIVE") is { Length: > 0 } named)
            yield return named;
        yield return Path.Combine(AppContext.BaseDirectory, "libtessera.so");
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder != null; folder = folder.Parent)
            yield return Path.Combine(folder.FullName, "artifacts", "native", "system", "libtessera.so");
    }
}
