using System.Diagnostics;
using Tessera.Retrieval;

namespace Tessera.Cli.Search;

/// <summary>The search of a graph beside the exact one.</summary>
/// <param name="Neighbors">Neighbours that are compared.</param>
/// <param name="Recall">Share of the nearest that the graph finds.</param>
/// <param name="ExactSeconds">Time of an exact search for one query alone.</param>
/// <param name="GraphSeconds">Time of a search of the graph for one query alone.</param>
/// <param name="Queries">Queries that were compared.</param>
internal sealed record SearchComparison(int Neighbors, double Recall, double ExactSeconds, double GraphSeconds, int Queries)
{
    private const int K = 10,
        MostQueries = 200;

    /// <summary>Compares them by evenly spaced descriptors.</summary>
    /// <param name="index">With a graph.</param>
    /// <param name="vectors">[samples x width].</param>
    internal static SearchComparison Of(VectorIndex index, float[] vectors)
    {
        var width = index.Header.Dimension;
        var count = vectors.Length / width;
        var queries = Math.Min(count, MostQueries);
        var (found, wanted) = (0, 0);
        TimeSpan exact = default,
            graph = default;
        for (var number = 0; number < queries; number++)
        {
            var query = vectors.AsSpan((int)((long)number * count / queries) * width, width);
            var (truth, slow) = Timed(query, new());
            var (near, fast) = Timed(query, new() { Approximate = true });
            var ids = truth.Select(one => one.Item.Id).ToHashSet();
            (found, wanted) = (found + near.Count(one => ids.Contains(one.Item.Id)), wanted + ids.Count);
            (exact, graph) = (exact + slow, graph + fast);
        }
        return new(K, (double)found / wanted, exact.TotalSeconds / queries, graph.TotalSeconds / queries, queries);

        (IReadOnlyList<Neighbor> Found, TimeSpan Time) Timed(ReadOnlySpan<float> query, SearchOptions options)
        {
            var started = Stopwatch.GetTimestamp();
            var result = index.Search(query, K, options)[0];
            return (result, Stopwatch.GetElapsedTime(started));
        }
    }
}
