using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Tessera.Native;

/// <summary>What an exact search is given. Mirrors native/search.cpp.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct NearestSearch
{
    /// <summary>Rows in memory: address of the first vector, number of rows, number of the first row.</summary>
    internal void* Stretches;
    internal long StretchCount;

    /// <summary>A bit for each row that may be found, or null for all.</summary>
    internal ulong* Allowed;
    internal float* Queries;
    internal long QueryCount;
    internal long Dimension;
    internal long Most;

    /// <summary>[queries, most]</summary>
    internal float* Scores;

    /// <summary>[queries, most]</summary>
    internal long* Rows;

    /// <summary>[queries]</summary>
    internal long* Found;
    internal int Threads;
}

/// <summary>The C ABI of native/search.cpp.</summary>
internal static unsafe partial class SearchImports
{
    private const string Lib = Library.Name;

    static SearchImports() => RuntimeHelpers.RunClassConstructor(typeof(Library).TypeHandle);

    [LibraryImport(Lib, EntryPoint = "tessera_nearest")]
    internal static partial int Nearest(NearestSearch* search);

    /// <summary>Gives a function (ulong row, void* bits) that says whether the row's bit is set.</summary>
    [LibraryImport(Lib, EntryPoint = "tessera_row_filter")]
    internal static partial int RowFilter(out nint function);
}
