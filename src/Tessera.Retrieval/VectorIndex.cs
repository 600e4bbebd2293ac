using System.Runtime.InteropServices;

namespace Tessera.Retrieval;

/// <summary>
/// Descriptors with names and metadata in one file, and the search for those nearest to a query. One program writes to a file at a time,
/// beside any number of readers, who see what was committed when they opened it. Threads may share an instance.
/// </summary>
/// <remarks>
/// What <see cref="Add"/>, <see cref="Remove"/>, <see cref="BuildApproximate"/> and <see cref="Compact"/> have done is on the disk when
/// they return; where they are interrupted, the file is as before, or as after. Checksums cover the whole file: damage is an
/// <see cref="IndexException"/>, never data. The file is mapped: vectors are read where they lie and take no memory of the process.
/// </remarks>
public sealed unsafe class VectorIndex : IDisposable
{
    private const int SliceBytes = 32 << 20;
    private const int MostSliceRows = 1 << 16;
    private const double UnitTolerance = 1e-3;

    private readonly string path;
    private readonly bool canWrite;
    private readonly Disk disk;
    private readonly ReaderWriterLockSlim gate = new();
    private Contents contents;
    private bool isDisposed;

    private VectorIndex(string path, IndexFile file, bool canWrite, Disk disk)
    {
        (this.path, this.canWrite, this.disk) = (path, canWrite, disk);
        try
        {
            contents = new(file);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>Makes an empty index that can be written to.</summary>
    /// <param name="path">The file; it must not exist.</param>
    /// <param name="header">What the descriptors are.</param>
    /// <exception cref="IndexException">The file exists or cannot be made, or the header is not in order.</exception>
    public static VectorIndex Create(string path, IndexHeader header) => Create(path, header, new());

    internal static VectorIndex Create(string path, IndexHeader header, Disk disk)
    {
        Check(header);
        if (Path.Exists(path))
            throw new IndexException($"{path} exists already: open it to add to it, or remove it first");
        var temporary = $"{path}.{Guid.NewGuid():N}.tmp";
        var file = Written(path, () => IndexFile.Create(temporary, disk));
        try
        {
            Written(path, () =>
            {
                HeaderRecord.Append(file, header, isLast: true);
                file.Finish(1);
                file.Publish(path, overwrite: false);
                return 0;
            });
            return new(path, file, true, disk);
        }
        catch
        {
            file.Dispose();
            File.Delete(temporary);
            throw;
        }
    }

    private static void Check(IndexHeader header)
    {
        if (header.Dimension < 1)
            throw new IndexException($"the dimension of an index must be at least 1, it is {header.Dimension}");
        if (header.Projection is not { } projection)
            return;
        if (projection.Mean.Length < 1 || projection.Rows.Length != (long)projection.Mean.Length * header.Dimension)
            throw new IndexException(
                $"a projection from {projection.Mean.Length} to {header.Dimension} numbers has {header.Dimension} rows of "
                    + $"{projection.Mean.Length} numbers; there are {projection.Rows.Length} numbers"
            );
        if (projection.Mean.Length > (1 << 28) / (header.Dimension + 1))
            throw new IndexException(
                $"a projection from {projection.Mean.Length} to {header.Dimension} numbers is larger than an index can keep"
            );
    }

    /// <summary>Opens an index.</summary>
    /// <param name="path">The file.</param>
    /// <param name="write">Whether it will be written to: one writer at a time, beside any number of readers.</param>
    /// <exception cref="IndexException">There is no such file, it is no index, it is damaged, or another writer has it.</exception>
    public static VectorIndex Open(string path, bool write = false) => Open(path, write, new());

    internal static VectorIndex Open(string path, bool write, Disk disk) => new(path, IndexFile.Open(path, write, disk), write, disk);

    /// <summary>What the descriptors are.</summary>
    public IndexHeader Header => Read(() => contents.Header);

    /// <summary>Items, without the deleted ones.</summary>
    public int Count => Read(() => contents.Alive.Count);

    /// <summary>Bytes of the file that are committed.</summary>
    public long FileBytes => Read(() => contents.File.Committed.Length);

    /// <summary>Whether <see cref="BuildApproximate"/> made a graph.</summary>
    public bool HasApproximate => Read(() => contents.HasGraph);

    /// <summary>Adds items: all of them or none, where it is interrupted.</summary>
    /// <param name="vectors">Their descriptors, [items x dimension], of length 1.</param>
    /// <param name="items">Their names and metadata; their ids are not looked at.</param>
    /// <returns>The ids that they got.</returns>
    /// <exception cref="IndexException">A vector or an item cannot be kept, or the disk refuses.</exception>
    public IReadOnlyList<long> Add(ReadOnlySpan<float> vectors, IReadOnlyList<IndexItem> items)
    {
        ArgumentNullException.ThrowIfNull(items);
        using var writing = Writing();
        var dimension = contents.Header.Dimension;
        CheckVectors(vectors, "vector");
        if (vectors.Length / dimension != items.Count)
            throw new IndexException($"{path}: {vectors.Length / dimension} vectors came with {items.Count} items; each item needs one");
        if (items.Count > int.MaxValue - contents.Rows)
            throw new IndexException(
                $"{path}: an index holds at most {int.MaxValue} items, deleted ones included; compact it, or begin another"
            );
        Check(items);
        if (items.Count == 0)
            return [];
        var first = contents.File.Committed.NextId;
        long[] ids = [.. Enumerable.Range(0, items.Count).Select(i => first + i)];
        IndexItem[] all = [.. items];
        var slice = SliceRows(dimension);
        fixed (float* start = vectors)
        {
            var begin = (nint)start;
            Append(
                () =>
                {
                    for (var from = 0; from < all.Length; from += slice)
                    {
                        var count = Math.Min(slice, all.Length - from);
                        AppendItems(
                            contents.File,
                            ids.AsSpan(from, count),
                            all.AsSpan(from, count),
                            (float*)begin + (long)from * dimension,
                            from + count == all.Length
                        );
                    }
                },
                first + all.Length
            );
        }
        return ids;
    }

    private static int SliceRows(int dimension) => Math.Clamp(SliceBytes / (4 * dimension), 1, MostSliceRows);

    private void AppendItems(IndexFile file, ReadOnlySpan<long> ids, ReadOnlySpan<IndexItem> items, float* vectors, bool isLast) =>
        file.Append(
            RecordKind.Items,
            ids.Length,
            ItemRecord.Tables(ids, items),
            new(vectors, 4L * ids.Length * contents.Header.Dimension),
            isLast
        );

    private void Check(IReadOnlyList<IndexItem> items)
    {
        foreach (var item in items)
        foreach (var key in item.Metadata.Keys)
            if (key is FilterParser.Name or FilterParser.Id)
                throw new IndexException($"{path}: '{item.Name}' has a field '{key}', which every item has by itself; call it otherwise");
    }

    private void CheckVectors(ReadOnlySpan<float> vectors, string what)
    {
        var dimension = contents.Header.Dimension;
        if (vectors.Length % dimension != 0)
            throw new IndexException($"{path}: its vectors have {dimension} numbers; {vectors.Length} numbers are not a multiple of that");
        for (var i = 0; i < vectors.Length / dimension; i++)
        {
            double sum = 0;
            foreach (var x in vectors.Slice(i * dimension, dimension))
                sum += (double)x * x;
            if (!(Math.Abs(Math.Sqrt(sum) - 1) <= UnitTolerance))
                throw new IndexException(
                    FormattableString.Invariant($"{path}: {what} {i} has length {Math.Sqrt(sum):0.####}; it must be 1")
                );
        }
    }

    /// <summary>Deletes items: all of those that are there or none, where it is interrupted.</summary>
    /// <param name="ids">Their ids; those that are not there are passed over.</param>
    /// <returns>How many were there.</returns>
    /// <exception cref="IndexException">The disk refuses.</exception>
    public int Remove(IReadOnlyList<long> ids)
    {
        ArgumentNullException.ThrowIfNull(ids);
        using var writing = Writing();
        long[] there = [.. ids.Distinct().Where(id => contents.LivingRowOf(id) >= 0)];
        if (there.Length > 0)
            Append(
                () => contents.File.Append(RecordKind.Removal, there.Length, MemoryMarshal.AsBytes(there.AsSpan()), default, isLast: true),
                contents.File.Committed.NextId
            );
        return there.Length;
    }

    /// <summary>The item of an id; null where there is none, or where it was deleted.</summary>
    /// <param name="id">The id.</param>
    public IndexItem? Find(long id) => Read(() => contents.LivingRowOf(id) is >= 0 and var row ? contents.ItemOf(row) : null);

    /// <summary>The items that are there now, in the order of their ids.</summary>
    /// <param name="where">Which of them; null for all.</param>
    /// <exception cref="IndexException">The filter asks for a field that no item has.</exception>
    public IEnumerable<IndexItem> Items(IndexFilter? where = null)
    {
        var ids = Read(() =>
            (where is null ? contents.Alive : contents.Matching(where, Torch.Threads))
                .Rows()
                .Select(row => contents.RecordOf(row).IdOf(row))
                .ToArray()
        );
        return ids.Select(Find).OfType<IndexItem>();
    }

    /// <summary>The vector of an item.</summary>
    /// <param name="id">The item's id.</param>
    /// <returns>The vector; null where there is no such item.</returns>
    public float[]? VectorOf(long id) =>
        Read(() =>
            contents.LivingRowOf(id) is >= 0 and var row
                ? new ReadOnlySpan<float>(contents.VectorOf(row), contents.Header.Dimension).ToArray()
                : null
        );

    /// <summary>
    /// The items nearest to each query, the nearest first, of equally near ones the earlier: min(k, matching items) of them. The same
    /// query finds the same alone and in a batch, on any number of threads, where every vector is compared.
    /// </summary>
    /// <param name="queries">Descriptors, [queries x dimension], of length 1.</param>
    /// <param name="k">How many to find, at least 1.</param>
    /// <param name="options">How to search.</param>
    /// <exception cref="IndexException">A query or an option is not in order, or the filter asks for a field that no item has.</exception>
    public IReadOnlyList<IReadOnlyList<Neighbor>> Search(ReadOnlySpan<float> queries, int k, SearchOptions? options = null)
    {
        options ??= new();
        if (k < 1)
            throw new IndexException($"k must be at least 1, it is {k}");
        if (options.Threads < 0)
            throw new IndexException($"threads must be at least 0, they are {options.Threads}");
        if (options.Effort is < 0 or > 10_000)
            throw new IndexException($"effort must be from 0 to 10,000, it is {options.Effort}");
        var threads = options.Threads == 0 ? Torch.Threads : options.Threads;
        using var reading = Reading();
        CheckVectors(queries, "query");
        var graph = options.Approximate ? contents.LoadGraph(threads) : null;
        if (options.Approximate && graph is null)
            throw new IndexException($"{path} has no graph for approximate search: build it first");
        var allowed = options.Where is null ? contents.Alive : contents.Matching(options.Where, threads);
        var most = Math.Min(k, allowed.Count);
        var count = queries.Length / contents.Header.Dimension;
        if (most == 0 || count == 0)
            return [.. Enumerable.Repeat<IReadOnlyList<Neighbor>>([], count)];
        var searching = new Searching(contents, most, allowed, threads);
        var found = graph is null
            ? searching.Exact(queries)
            : searching.Approximate(queries, graph, Math.Max(most, options.Effort == 0 ? graph.Options.Effort : options.Effort));
        return
        [
            .. found.Select(
                IReadOnlyList<Neighbor> (one) => [.. one.Select(row => new Neighbor(contents.ItemOf(row.Row), row.Similarity))]
            ),
        ];
    }

    /// <summary>
    /// Builds the graph of approximate search over all items, in place of an earlier one. Items that are added later are compared one by
    /// one.
    /// </summary>
    /// <param name="options">How.</param>
    /// <param name="progress">Gets the share that is done, on any thread.</param>
    /// <param name="stop">Gives up; the index is then as before.</param>
    /// <exception cref="IndexException">An option is not in order, there are no items, or the disk refuses.</exception>
    public void BuildApproximate(ApproximateOptions? options = null, IProgress<double>? progress = null, CancellationToken stop = default)
    {
        options ??= new();
        options.Check();
        using var writing = Writing();
        Build(options, progress, stop);
    }

    private void Build(ApproximateOptions options, IProgress<double>? progress, CancellationToken stop)
    {
        if (contents.Alive.Count == 0)
            throw new IndexException($"{path} has no items to build a graph over");
        contents.CheckVectors(0, options.Threads == 0 ? Torch.Threads : options.Threads);
        Graph.Build(
            contents.Rows,
            contents.Alive,
            row => (nint)contents.VectorOf(row),
            contents.Header.Dimension,
            options,
            (tables, body, length) =>
                Append(
                    () => contents.File.Append(RecordKind.Graph, 1, tables, new((void*)body, length), isLast: true),
                    contents.File.Committed.NextId
                ),
            progress,
            stop
        );
    }

    /// <summary>
    /// Writes the file anew without what was deleted, and in its place. Ids stay. Where there was a graph, it is built again, which takes
    /// as long as <see cref="BuildApproximate"/>.
    /// </summary>
    /// <exception cref="IndexException">The disk refuses; the index is then as before, perhaps without its graph.</exception>
    public void Compact()
    {
        using var writing = Writing();
        var options = contents.LoadGraph(Torch.Threads)?.Options;
        contents.CheckVectors(0, Torch.Threads);
        // Only who holds the lock on the index gets here: what lies there was left by a program that was ended.
        var temporary = $"{path}.compact";
        var file = Written(path, () =>
        {
            File.Delete(temporary);
            return IndexFile.Create(temporary, disk);
        });
        try
        {
            Written(path, () =>
            {
                HeaderRecord.Append(file, contents.Header, isLast: contents.Alive.Count == 0);
                CopyItems(file);
                file.Finish(contents.File.Committed.NextId);
                file.Publish(path, overwrite: true);
                return 0;
            });
        }
        catch
        {
            file.Dispose();
            File.Delete(temporary);
            throw;
        }
        contents.Dispose();
        contents = new(file);
        if (options is not null && contents.Alive.Count > 0)
            Build(options, null, CancellationToken.None);
    }

    private void CopyItems(IndexFile file)
    {
        var dimension = contents.Header.Dimension;
        var left = contents.Alive.Count;
        foreach (var rows in contents.Alive.Rows().Chunk(SliceRows(dimension)))
        {
            var vectors = new float[(long)rows.Length * dimension];
            for (var i = 0; i < rows.Length; i++)
                new ReadOnlySpan<float>(contents.VectorOf(rows[i]), dimension).CopyTo(vectors.AsSpan(i * dimension));
            long[] ids = [.. rows.Select(row => contents.RecordOf(row).IdOf(row))];
            IndexItem[] items = [.. rows.Select(contents.ItemOf)];
            left -= rows.Length;
            fixed (float* start = vectors)
                AppendItems(file, ids, items, start, left == 0);
        }
    }

    // Appends records and commits them; what failed leaves nothing.
    private void Append(Action append, long nextId) => Written(path, () =>
        {
            try
            {
                append();
                contents.Commit(nextId);
                return 0;
            }
            catch
            {
                contents.File.Abandon();
                throw;
            }
        });

    private static T Written<T>(string path, Func<T> write)
    {
        try
        {
            return write();
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new IndexException($"{path} cannot be written: {error.Message.TrimEnd('.')}; what it held before is still there", error);
        }
    }

    private T Read<T>(Func<T> read)
    {
        using var reading = Reading();
        return read();
    }

    private Held Reading()
    {
        ObjectDisposedException.ThrowIf(isDisposed, this);
        gate.EnterReadLock();
        return new(gate, isWriting: false);
    }

    private Held Writing()
    {
        ObjectDisposedException.ThrowIf(isDisposed, this);
        if (!canWrite)
            throw new IndexException($"{path} was opened for reading: open it for writing to change it");
        gate.EnterWriteLock();
        return new(gate, isWriting: true);
    }

    private readonly ref struct Held(ReaderWriterLockSlim gate, bool isWriting)
    {
        public void Dispose()
        {
            if (isWriting)
                gate.ExitWriteLock();
            else
                gate.ExitReadLock();
        }
    }

    /// <summary>Closes the file.</summary>
    public void Dispose()
    {
        if (isDisposed)
            return;
        isDisposed = true;
        contents.Dispose();
        gate.Dispose();
    }
}
