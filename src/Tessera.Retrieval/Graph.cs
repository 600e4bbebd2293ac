using System.Buffers.Binary;
using System.Runtime.InteropServices;
using Tessera.Native;

namespace Tessera.Retrieval;

/// <summary>
/// The graph of approximate search as the library USearch builds and walks it, over eight bits of each number. It covers the rows that
/// were there when it was built, by their numbers.
/// </summary>
internal sealed unsafe class Graph : IDisposable
{
    private const int TableBytes = 24;

    private readonly nint index;
    private readonly SemaphoreSlim places = new(MostAtOnce);

    private Graph(nint index, int rows, ApproximateOptions options) => (this.index, Rows, Options) = (index, rows, options);

    // Walks at once; the library refuses one more.
    private const int MostAtOnce = 64;

    /// <summary>The rows that it covers: those with lower numbers.</summary>
    internal int Rows { get; }

    internal ApproximateOptions Options { get; }

    /// <summary>Whether the tables of a record are those of a graph over rows that are there.</summary>
    internal static bool IsConsistent(Record record, int rows) =>
        record.TableBytes == TableBytes
        && Table(record) is var (covered, options)
        && covered >= 1
        && covered <= rows
        && options.Connectivity is >= 2 and <= 256
        && options.BuildEffort is >= 1 and <= 10_000
        && options.Effort is >= 1 and <= 10_000;

    private static (long Rows, ApproximateOptions Options) Table(Record record)
    {
        var table = new ReadOnlySpan<byte>(record.Tables, TableBytes);
        return (
            BinaryPrimitives.ReadInt64LittleEndian(table),
            new()
            {
                Connectivity = BinaryPrimitives.ReadInt32LittleEndian(table[8..]),
                BuildEffort = BinaryPrimitives.ReadInt32LittleEndian(table[12..]),
                Effort = BinaryPrimitives.ReadInt32LittleEndian(table[16..]),
            }
        );
    }

    /// <summary>The graph of a record, which stays where it is in memory.</summary>
    internal static Graph View(Record record, int dimension)
    {
        var (rows, options) = Table(record);
        var index = New(dimension, options);
        try
        {
            nint error = 0;
            USearch.ViewBuffer(index, record.Body, (nuint)record.Header.BodyBytes, ref error);
            USearch.Check(error);
            USearch.ChangeThreadsSearch(index, MostAtOnce, ref error);
            USearch.Check(error);
            return new(index, (int)rows, options);
        }
        catch
        {
            Free(index);
            throw;
        }
    }

    /// <summary>Builds a graph.</summary>
    /// <param name="rows">Number of all rows.</param>
    /// <param name="members">Those that get a place in it.</param>
    /// <param name="vectorOf">Where the vector of a row lies.</param>
    /// <param name="dimension">Numbers of a vector.</param>
    /// <param name="options">How.</param>
    /// <param name="write">Gets the tables and the body of the record.</param>
    /// <param name="progress">Gets the share that is done.</param>
    /// <param name="stop">Gives up.</param>
    internal static void Build(
        int rows,
        RowSet members,
        Func<int, nint> vectorOf,
        int dimension,
        ApproximateOptions options,
        Action<byte[], nint, long> write,
        IProgress<double>? progress,
        CancellationToken stop
    )
    {
        var threads = options.Threads == 0 ? Torch.Threads : options.Threads;
        var index = New(dimension, options);
        void* body = null;
        try
        {
            nint error = 0;
            USearch.Reserve(index, (nuint)members.Count, ref error);
            USearch.Check(error);
            USearch.ChangeThreadsAdd(index, (nuint)threads, ref error);
            USearch.Check(error);
            var done = 0;
            var every = Math.Max(1, members.Count / 1000);
            Parallel.ForEach(members.Rows(), new() { MaxDegreeOfParallelism = threads, CancellationToken = stop }, row =>
            {
                nint problem = 0;
                USearch.Add(index, (ulong)row, (float*)vectorOf(row), USearch.Float32, ref problem);
                USearch.Check(problem);
                if (Interlocked.Increment(ref done) is var now && now % every == 0)
                    progress?.Report((double)now / members.Count);
            });
            var length = USearch.SerializedLength(index, ref error);
            USearch.Check(error);
            body = NativeMemory.Alloc(length);
            USearch.SaveBuffer(index, body, length, ref error);
            USearch.Check(error);
            var table = new byte[TableBytes];
            BinaryPrimitives.WriteInt64LittleEndian(table, rows);
            BinaryPrimitives.WriteInt32LittleEndian(table.AsSpan(8), options.Connectivity);
            BinaryPrimitives.WriteInt32LittleEndian(table.AsSpan(12), options.BuildEffort);
            BinaryPrimitives.WriteInt32LittleEndian(table.AsSpan(16), options.Effort);
            write(table, (nint)body, (long)length);
        }
        catch (AggregateException error)
        {
            throw new IndexException(error.InnerExceptions[0].Message, error);
        }
        finally
        {
            NativeMemory.Free(body);
            Free(index);
        }
    }

    private static nint New(int dimension, ApproximateOptions options)
    {
        var settings = new USearch.Settings
        {
            Metric = USearch.InnerProduct,
            Quantization = USearch.Int8,
            Dimensions = (ulong)dimension,
            Connectivity = (ulong)options.Connectivity,
            ExpansionAdd = (ulong)options.BuildEffort,
            // A walk keeps as many candidates as it is asked for.
            ExpansionSearch = 1,
        };
        nint error = 0;
        var index = USearch.Init(settings, ref error);
        USearch.Check(error);
        return index;
    }

    private static void Free(nint index)
    {
        nint error = 0;
        USearch.Free(index, ref error);
    }

    /// <summary>Rows that are probably among the nearest to a query.</summary>
    /// <param name="query">The query.</param>
    /// <param name="effort">Candidates that the walk keeps.</param>
    /// <param name="allowed">A bit for each row that may be found; null for all.</param>
    internal ulong[] Search(float* query, int effort, ulong* allowed)
    {
        var rows = new ulong[effort];
        var distances = new float[effort];
        nuint found;
        nint error = 0;
        places.Wait();
        try
        {
            fixed (ulong* to = rows)
            fixed (float* beside = distances)
                found = allowed is null
                    ? USearch.Search(index, query, USearch.Float32, (nuint)effort, to, beside, ref error)
                    : USearch.FilteredSearch(index, query, USearch.Float32, (nuint)effort, RowFilter, allowed, to, beside, ref error);
        }
        finally
        {
            places.Release();
        }
        USearch.Check(error);
        return rows[..(int)found];
    }

    private static nint RowFilter
    {
        get
        {
            Dispatcher.Check(SearchImports.RowFilter(out var function));
            return function;
        }
    }

    public void Dispose()
    {
        Free(index);
        places.Dispose();
    }
}
