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
        var path = LoadedLibraries.Find("libopenblas", "libblas", "libmkl_rt", "libmkl_core");
        if (path is null)
            return new(null, null, null);
        var handle = NativeLibrary.Load(path);
        return new(path, Text(handle, "openblas_get_config"), Text(handle, "openblas_get_corename"));
    }

    private static unsafe string? Text(nint library, string function) =>
        NativeLibrary.TryGetExport(library, function, out var address)
            ? Marshal.PtrToStringUTF8(((delegate* unmanaged<nint>)address)())?.Trim()
            : null;
}
