using System.Runtime.InteropServices;

namespace Tessera.Retrieval;

/// <summary>
/// The C interface of USearch, whose library the package Cloud.Unum.USearch brings. The package's own class has neither views of memory
/// nor filters.
/// </summary>
internal static unsafe partial class USearch
{
    internal const int InnerProduct = 2;
    internal const int Float32 = 1;
    internal const int Int8 = 4;
    private const string Lib = "libusearch_c";

    /// <summary>What an index is made with.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal struct Settings
    {
        internal int Metric;
        internal nint OwnMetric;
        internal int Quantization;
        internal ulong Dimensions;
        internal ulong Connectivity;
        internal ulong ExpansionAdd;
        internal ulong ExpansionSearch;
        internal byte IsMulti;
    }

    /// <summary>Turns an error of the library into an exception.</summary>
    internal static void Check(nint error)
    {
        if (error != 0)
            throw new IndexException($"the graph of approximate search: {Marshal.PtrToStringUTF8(error)}");
    }

    [LibraryImport(Lib, EntryPoint = "usearch_init")]
    internal static partial nint Init(in Settings settings, ref nint error);

    [LibraryImport(Lib, EntryPoint = "usearch_free")]
    internal static partial void Free(nint index, ref nint error);

    [LibraryImport(Lib, EntryPoint = "usearch_reserve")]
    internal static partial void Reserve(nint index, nuint capacity, ref nint error);

    [LibraryImport(Lib, EntryPoint = "usearch_change_threads_add")]
    internal static partial void ChangeThreadsAdd(nint index, nuint threads, ref nint error);

    [LibraryImport(Lib, EntryPoint = "usearch_change_threads_search")]
    internal static partial void ChangeThreadsSearch(nint index, nuint threads, ref nint error);

    [LibraryImport(Lib, EntryPoint = "usearch_add")]
    internal static partial void Add(nint index, ulong key, void* vector, int kind, ref nint error);

    [LibraryImport(Lib, EntryPoint = "usearch_search")]
    internal static partial nuint Search(nint index, void* query, int kind, nuint count, ulong* keys, float* distances, ref nint error);

    [LibraryImport(Lib, EntryPoint = "usearch_filtered_search")]
    internal static partial nuint FilteredSearch(
        nint index,
        void* query,
        int kind,
        nuint count,
        nint filter,
        void* state,
        ulong* keys,
        float* distances,
        ref nint error
    );

    [LibraryImport(Lib, EntryPoint = "usearch_serialized_length")]
    internal static partial nuint SerializedLength(nint index, ref nint error);

    [LibraryImport(Lib, EntryPoint = "usearch_save_buffer")]
    internal static partial void SaveBuffer(nint index, void* buffer, nuint length, ref nint error);

    [LibraryImport(Lib, EntryPoint = "usearch_view_buffer")]
    internal static partial void ViewBuffer(nint index, void* buffer, nuint length, ref nint error);
}
