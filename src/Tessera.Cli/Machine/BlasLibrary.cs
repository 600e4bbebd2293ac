using System.Runtime.InteropServices;

namespace Tessera.Cli.Machine;

/// <summary>The library that computes matrix products in float32, as it was loaded with libtorch.</summary>
/// <param name="Path">Its file; null when libtorch has one built in.</param>
/// <param name="Description">What it says of itself; null for libraries that say nothing.</param>
/// <param name="Core">OpenBLAS: the processor whose kernels it runs.</param>
internal sealed record BlasLibrary(string? Path, string? Description, string? Core)
{
    internal bool IsOpenBlas => Core is not null;

    /// <summary>OpenBLAS with threads of its own, which get into the way of libtorch's OpenMP threads.</summary>
    internal bool HasOwnThreads => IsOpenBlas && Description?.Contains("USE_OPENMP", StringComparison.Ordinal) != true;

    /// <summary>Looks among the loaded libraries: the engine must have been used before.</summary>
    internal static BlasLibrary Find()
    {
        var loaded = File.Exists("/proc/self/maps")
            ? File.ReadLines("/proc/self/maps")
                .Select(line => line.IndexOf('/', StringComparison.Ordinal) is >= 0 and var at ? line[at..] : "")
                .Where(path => path.Contains(".so", StringComparison.Ordinal))
                .Distinct()
                .ToArray()
            : [];
        var path = loaded.FirstOrDefault(p => IsNamed(p, "libopenblas"))
            ?? loaded.FirstOrDefault(p => IsNamed(p, "libblas"))
            ?? loaded.FirstOrDefault(p => IsNamed(p, "libmkl_rt") || IsNamed(p, "libmkl_core"));
        if (path is null)
            return new(null, null, null);
        var handle = NativeLibrary.Load(path);
        return new(path, Text(handle, "openblas_get_config"), Text(handle, "openblas_get_corename"));
    }

    private static bool IsNamed(string path, string name) => System.IO.Path.GetFileName(path).StartsWith(name, StringComparison.Ordinal);

    private static unsafe string? Text(nint library, string function) =>
        NativeLibrary.TryGetExport(library, function, out var address)
            ? Marshal.PtrToStringUTF8(((delegate* unmanaged<nint>)address)())?.Trim()
            : null;
}
