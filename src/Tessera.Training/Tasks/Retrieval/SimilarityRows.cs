using System.Numerics;
using System.Runtime.InteropServices;

namespace Tessera.Training.Tasks.Retrieval;

/// <summary>Sees the similarities of a query to every searched item.</summary>
/// <typeparam name="T">Type of the similarities.</typeparam>
/// <param name="query">Which query, from 0.</param>
/// <param name="similarities">They are overwritten afterwards.</param>
internal delegate void SimilarityVisitor<T>(int query, ReadOnlySpan<T> similarities);

/// <summary>
/// Similarities of queries to all searched items, a few queries at a time, so that the memory does not grow with the number of queries. A
/// similarity is the same bits whatever queries are taken together: equal descriptors stay equally similar.
/// </summary>
internal static class SimilarityRows
{
    // Similarities that a thread keeps, and queries that share one way through the items.
    private const int MostValues = 1 << 22,
        MostQueries = 64;

    /// <summary>Visits every query, on several threads and in no order.</summary>
    /// <typeparam name="T">Type of the descriptors.</typeparam>
    /// <param name="descriptors">Rows of some width, of which the queries are some.</param>
    /// <param name="queries">Rows of the queries.</param>
    /// <param name="items">Rows of the searched items, one behind the other.</param>
    /// <param name="width">Width of a row.</param>
    /// <param name="together">Queries at a time; null for as many as the memory allows.</param>
    /// <param name="visit">Sees each.</param>
    internal static void Visit<T>(
        T[] descriptors,
        IReadOnlyList<int> queries,
        T[] items,
        int width,
        int? together,
        SimilarityVisitor<T> visit
    )
        where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        var count = items.Length / width;
        var each = together ?? Math.Clamp(MostValues / Math.Max(1, count), 1, MostQueries);
        Parallel.For(
            0,
            (queries.Count + each - 1) / each,
            new() { MaxDegreeOfParallelism = Math.Max(1, Torch.Threads) },
            () => new T[checked(each * count)],
            (number, _, values) =>
            {
                var first = number * each;
                var own = Math.Min(each, queries.Count - first);
                for (var item = 0; item < count; item++)
                {
                    var other = items.AsSpan(item * width, width);
                    for (var query = 0; query < own; query++)
                        values[query * count + item] = Dot(descriptors.AsSpan(queries[first + query] * width, width), other);
                }
                for (var query = 0; query < own; query++)
                    visit(first + query, values.AsSpan(query * count, count));
                return values;
            },
            _ => { }
        );
    }

    // Always in the same order.
    private static T Dot<T>(ReadOnlySpan<T> left, ReadOnlySpan<T> right)
        where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        var lefts = MemoryMarshal.Cast<T, Vector<T>>(left);
        var rights = MemoryMarshal.Cast<T, Vector<T>>(right);
        var (even, odd) = (Vector<T>.Zero, Vector<T>.Zero);
        var i = 0;
        for (; i + 1 < lefts.Length; i += 2)
        {
            even += lefts[i] * rights[i];
            odd += lefts[i + 1] * rights[i + 1];
        }
        if (i < lefts.Length)
            even += lefts[i] * rights[i];
        var sum = Vector.Sum(even + odd);
        for (var rest = lefts.Length * Vector<T>.Count; rest < left.Length; rest++)
            sum += left[rest] * right[rest];
        return sum;
    }
}
