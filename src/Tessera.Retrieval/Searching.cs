using System.Buffers;
using Tessera.Native;

namespace Tessera.Retrieval;

/// <summary>One search through what a file holds.</summary>
/// <param name="contents">What it holds.</param>
/// <param name="k">How many to find, at most as many as are allowed.</param>
/// <param name="allowed">The rows that may be found.</param>
/// <param name="threads">Threads that take part.</param>
internal sealed unsafe class Searching(Contents contents, int k, RowSet allowed, int threads)
{
    private const long MostCandidateBytes = 256L << 20;
    private const int MostQueries = 256;

    // Fewer rows than this share are compared one by one: no walk through the graph would be faster.
    private const int FewShare = 10;

    /// <summary>A row and its similarity.</summary>
    internal readonly record struct Found(int Row, float Similarity) : IComparable<Found>
    {
        // The most similar first, of equal ones the earlier row.
        public int CompareTo(Found other) =>
            Similarity != other.Similarity ? other.Similarity.CompareTo(Similarity) : Row.CompareTo(other.Row);
    }

    private readonly int dimension = contents.Header.Dimension;

    /// <summary>Compares every allowed row.</summary>
    internal Found[][] Exact(ReadOnlySpan<float> queries)
    {
        return [.. Candidates(queries, 0).Select(found => found[..Math.Min(k, found.Length)])];
    }

    /// <summary>Walks the graph, and compares the rows that it does not have.</summary>
    internal Found[][] Approximate(ReadOnlySpan<float> queries, Graph graph, int effort)
    {
        if ((long)allowed.Count * FewShare <= contents.Rows || effort >= allowed.Count)
            return Exact(queries);
        var count = queries.Length / dimension;
        var later = contents.Rows == graph.Rows ? null : Candidates(queries, graph.Rows);
        var found = new Found[count][];
        var isWhole = allowed.Count == contents.Rows;
        fixed (float* first = queries)
        fixed (ulong* words = allowed.Words)
        {
            var (start, bits) = ((nint)first, (nint)words);
            if (count == 1 || threads == 1)
                for (var i = 0; i < count; i++)
                    Walk(i);
            else
                Unwrapped(() => Parallel.For(0, count, new() { MaxDegreeOfParallelism = threads }, Walk));

            void Walk(int i)
            {
                var query = (float*)start + (long)i * dimension;
                var rows = graph.Search(query, effort, isWhole ? null : (ulong*)bits);
                var beside = later?[i] ?? [];
                var all = new Found[rows.Length + beside.Length];
                for (var j = 0; j < rows.Length; j++)
                    all[j] = Measured(query, (int)rows[j]);
                beside.CopyTo(all, rows.Length);
                Array.Sort(all);
                found[i] = all[..Math.Min(k, all.Length)];
            }
        }
        // What the walk did not reach, a comparison of every row does: as many are found as there are.
        for (var i = 0; i < count; i++)
            if (found[i].Length < k)
                found[i] = Exact(queries.Slice(i * dimension, dimension))[0];
        return found;
    }

    private static void Unwrapped(Action body)
    {
        try
        {
            body();
        }
        catch (AggregateException error) when (error.InnerExceptions[0] is IndexException first)
        {
            throw new IndexException(first.Message, first);
        }
    }

    // The nearest of the rows from one on, and a few more, since a sum's rounding depends on its order: each is measured in one way.
    private Found[][] Candidates(ReadOnlySpan<float> queries, int fromRow)
    {
        var most = (int)Math.Min((long)k + k / 16 + 8, contents.Rows - fromRow);
        contents.CheckVectors(fromRow, threads);
        var stretches = contents.StretchesFrom(fromRow);
        var count = queries.Length / dimension;
        var atOnce = (int)Math.Clamp(MostCandidateBytes / (32L * most * threads), 1, MostQueries);
        var results = new Found[count][];
        for (var from = 0; from < count; from += atOnce)
        {
            var some = Math.Min(atOnce, count - from);
            Nearest(queries.Slice(from * dimension, some * dimension), stretches, most, results.AsSpan(from, some));
        }
        return results;
    }

    private void Nearest(ReadOnlySpan<float> queries, Stretch[] stretches, int most, Span<Found[]> results)
    {
        var scores = ArrayPool<float>.Shared.Rent(results.Length * most);
        var rows = ArrayPool<long>.Shared.Rent(results.Length * most);
        var counts = new long[results.Length];
        fixed (Stretch* parts = stretches)
        fixed (
            float* firstQuery = queries,
                firstScore = scores
        )
        fixed (
            long* firstRow = rows,
                firstCount = counts
        )
        fixed (ulong* words = allowed.Words)
        {
            var search = new NearestSearch
            {
                Stretches = parts,
                StretchCount = stretches.Length,
                Allowed = allowed.Count == contents.Rows ? null : words,
                Queries = firstQuery,
                QueryCount = results.Length,
                Dimension = dimension,
                Most = most,
                Scores = firstScore,
                Rows = firstRow,
                Found = firstCount,
                Threads = threads,
            };
            Dispatcher.Check(SearchImports.Nearest(&search));
            for (var i = 0; i < results.Length; i++)
            {
                var found = new Found[counts[i]];
                for (var j = 0; j < found.Length; j++)
                    found[j] = Measured(firstQuery + (long)i * dimension, (int)rows[(long)i * most + j]);
                Array.Sort(found);
                results[i] = found;
            }
        }
        ArrayPool<float>.Shared.Return(scores);
        ArrayPool<long>.Shared.Return(rows);
    }

    // The same number whichever way a row was found.
    private Found Measured(float* query, int row)
    {
        var vector = contents.VectorOf(row);
        double even = 0,
            odd = 0;
        var i = 0;
        for (; i + 1 < dimension; i += 2)
        {
            even += (double)query[i] * vector[i];
            odd += (double)query[i + 1] * vector[i + 1];
        }
        if (i < dimension)
            even += (double)query[i] * vector[i];
        return new(row, (float)(even + odd));
    }
}
