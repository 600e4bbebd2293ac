using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Tessera.Native;

/// <summary>The C ABI of native/inference.cpp: packing of weights and running of compiled models.</summary>
internal static unsafe partial class KernelImports
{
    private const string Lib = Library.Name;

    static KernelImports() => RuntimeHelpers.RunClassConstructor(typeof(Library).TypeHandle);

    [LibraryImport(Lib, EntryPoint = "tessera_kernels_name")]
    internal static partial int KernelsName(out nint name);

    [LibraryImport(Lib, EntryPoint = "tessera_kernels_use", StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int KernelsUse(string name);

    [LibraryImport(Lib, EntryPoint = "tessera_binary_kernels_name")]
    internal static partial int BinaryKernelsName(out nint name);

    [LibraryImport(Lib, EntryPoint = "tessera_pack")]
    internal static partial int Pack(
        float* weights,
        long depthStride,
        long columnStride,
        long depth,
        long columns,
        int type,
        void* packed,
        out long bytes
    );

    [LibraryImport(Lib, EntryPoint = "tessera_program_run")]
    internal static partial int ProgramRun(void* programs, int programCount, int threads, void* images, void* results, long count);

    [LibraryImport(Lib, EntryPoint = "tessera_program_profile")]
    internal static partial int ProgramProfile(void* program, int threads, long* nanoseconds);
}
