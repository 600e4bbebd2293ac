using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Tessera.Testing;

/// <summary>
/// A device of tests that computes on the processor and refuses what a GPU would refuse (native/twin): with it, a process without
/// a GPU has the device <c>cuda:0</c>. It stays until the process ends.
/// </summary>
public static class Twin
{
    /// <summary>Loads it, unless there is a GPU. Nothing may have been differentiated before in this process.</summary>
    /// <returns>Whether it is there; false where there is a GPU.</returns>
    /// <exception cref="DllNotFoundException">It was not built: libtorch has CUDA, but there is no GPU.</exception>
    public static bool Load()
    {
        // Counting also loads libtorch, which the twin extends.
        if (Cuda.IsAvailable)
            return false;
        using var process = Process.GetCurrentProcess();
        var shim = process.Modules.Cast<ProcessModule>().First(module => module.ModuleName == "libtessera.so").FileName;
        NativeLibrary.Load(Path.Combine(Path.GetDirectoryName(shim)!, "libtessera_twin.so"));
        return true;
    }
}
