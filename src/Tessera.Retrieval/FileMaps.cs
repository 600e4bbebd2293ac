using System.IO.MemoryMappedFiles;
using Microsoft.Win32.SafeHandles;

namespace Tessera.Retrieval;

/// <summary>A file that grows, in memory: a map for what was there, and one for what came; small ones are put together.</summary>
internal sealed unsafe class FileMaps(SafeFileHandle file) : IDisposable
{
    private const long SmallBytes = 64L << 20;

    private readonly List<Map> maps = [];

    /// <summary>Whether what lies at a position will lie elsewhere in memory once the file has grown.</summary>
    internal bool WillMove(long position) => Small is { } last && position >= last.From;

    private Map? Small => maps.Count > 0 && maps[^1].To - maps[^1].From < SmallBytes ? maps[^1] : null;

    /// <summary>Maps what the file has grown by, and gives all records that lie in new memory their places.</summary>
    /// <param name="from">Where the last call ended.</param>
    /// <param name="to">Where the file ends now.</param>
    /// <param name="records">The records of the file by position.</param>
    internal void Grow(long from, long to, List<Record> records)
    {
        if (to == from)
            return;
        var small = Small;
        var map = new Map(file, small?.From ?? from, to);
        if (small is not null)
        {
            maps.RemoveAt(maps.Count - 1);
            small.Dispose();
        }
        maps.Add(map);
        for (var i = records.Count - 1; i >= 0 && records[i].Position >= map.From; i--)
            records[i].Start = map.At(records[i].Position);
    }

    /// <summary>Where a position of the file lies in the last map.</summary>
    internal byte* At(long position) => maps[^1].At(position);

    public void Dispose()
    {
        foreach (var map in maps)
            map.Dispose();
        maps.Clear();
    }

    private sealed class Map : IDisposable
    {
        private readonly MemoryMappedFile mapped;
        private readonly MemoryMappedViewAccessor view;
        private readonly byte* start;

        internal Map(SafeFileHandle file, long from, long to)
        {
            (From, To) = (from, to);
            mapped = MemoryMappedFile.CreateFromFile(
                file,
                mapName: null,
                capacity: 0,
                MemoryMappedFileAccess.Read,
                HandleInheritability.None,
                leaveOpen: true
            );
            view = mapped.CreateViewAccessor(from, to - from, MemoryMappedFileAccess.Read);
            view.SafeMemoryMappedViewHandle.AcquirePointer(ref start);
            start += view.PointerOffset;
        }

        internal long From { get; }
        internal long To { get; }

        internal byte* At(long position) => start + (position - From);

        public void Dispose()
        {
            view.SafeMemoryMappedViewHandle.ReleasePointer();
            view.Dispose();
            mapped.Dispose();
        }
    }
}
