using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;

namespace Tessera.Native;

/// <summary>
/// Helps an OpenBLAS that is older than the processor: it takes a processor that it does not know for one of twenty years ago, and runs
/// kernels five times slower than its best.
/// </summary>
/// <remarks>
/// Which processors it knows depends on its version, so it is asked instead of guessed: loaded alone, it says what it has chosen. Only
/// where that core lacks vectors that the processor has, it is loaded once more with another. A choice of its own that is not such a one
/// stays, and so does the user's.
/// </remarks>
internal static unsafe class BlasCore
{
    internal const string Variable = "OPENBLAS_CORETYPE";

    /// <summary>The file that Debian's libblas.so.3 leads to where OpenBLAS is installed.</summary>
    internal const string File = "libopenblas.so.0";

    // Its names of cores whose kernels use no AVX2.
    private static readonly HashSet<string> older =
    [
        "Katmai",
        "Coppermine",
        "Northwood",
        "Prescott",
        "Banias",
        "Atom",
        "Core2",
        "Penryn",
        "Dunnington",
        "Nehalem",
        "Athlon",
        "Opteron",
        "Opteron_SSE3",
        "Barcelona",
        "Nano",
        "Sandybridge",
        "Bobcat",
        "Bulldozer",
        "Piledriver",
        "Steamroller",
    ];

    /// <summary>What of a processor decides which core is the best.</summary>
    /// <param name="HasAvx2">It has AVX2 and FMA.</param>
    /// <param name="HasAvx512">It has AVX-512 with the parts F, BW, DQ and VL, too.</param>
    /// <param name="IsAmd">AMD made it.</param>
    internal readonly record struct Features(bool HasAvx2, bool HasAvx512, bool IsAmd)
    {
        internal static Features Here
        {
            get
            {
                if (!X86Base.IsSupported)
                    return default;
                var (_, first, third, second) = X86Base.CpuId(0, 0);
                var avx2 = Avx2.IsSupported && Fma.IsSupported;
                return new(
                    avx2,
                    avx2 && Avx512F.IsSupported && Avx512BW.IsSupported && Avx512DQ.IsSupported && Avx512F.VL.IsSupported,
                    (first, second, third) is (0x68747541, 0x69746E65, 0x444D4163) // "Auth", "enti", "cAMD"
                );
            }
        }
    }

    /// <summary>The core to run instead of one that a processor could do better than; null where that is none of those.</summary>
    /// <param name="own">Name of OpenBLAS's own choice.</param>
    /// <param name="processor">The processor.</param>
    /// <remarks>
    /// In float32, what cores newer than SkylakeX add to it is nothing; the version at hand need not know them. It knows these three if it
    /// is from 2018 or later.
    /// </remarks>
    internal static string? Better(string own, Features processor) =>
        !older.Contains(own) || !processor.HasAvx2 ? null
        : processor.HasAvx512 ? "SkylakeX"
        : processor.IsAmd ? "Zen"
        : "Haswell";

    /// <summary>What runs where nobody forces a core, if that is better than the forced one; null where it is not.</summary>
    internal static string? Unforced(string forced, Features processor) =>
        Better(forced, processor)
        // Intel's processors with AVX-512 are known as such, or not at all; some of AMD's as the ones without.
        ?? (forced is "Haswell" or "Excavator" or "Zen" && processor is { HasAvx512: true, IsAmd: false } ? "SkylakeX" : null);

    /// <summary>Loads OpenBLAS, before anything else does, so that it runs the kernels of the best core that it has.</summary>
    /// <param name="library">Name or path.</param>
    /// <param name="better">Another core for the one that it has chosen, or null.</param>
    /// <param name="set">Sets a variable of the environment that native code sees.</param>
    /// <returns>The core in use; null without such a library.</returns>
    internal static string? Choose(string library, Func<string, string?> better, Action<string, string> set)
    {
        if (!NativeLibrary.TryLoad(library, out var handle))
            return null;
        if (Name(handle) is not { } own || better(own) is not { } wanted)
            return Name(handle);
        set(Variable, wanted);
        // It chooses while it is loaded, once: nobody else holds it yet, so it goes and comes again.
        NativeLibrary.Free(handle);
        return NativeLibrary.TryLoad(library, out handle) ? Name(handle) : null;
    }

    private static string? Name(nint library) =>
        NativeLibrary.TryGetExport(library, "openblas_get_corename", out var function)
            ? Marshal.PtrToStringUTF8(((delegate* unmanaged<nint>)function)())
            : null;
}
