using Tessera.Retrieval;
using Tessera.Testing;

namespace Tessera.Tests.Retrieval;

public sealed class ApproximateTests : IDisposable
{
    private const int Dimension = 32;

    private readonly TempFolder folder = new();

    public void Dispose() => folder.Dispose();

    private static double Recall(VectorIndex index, float[] queries, IndexFilter? where = null)
    {
        var exact = index.Search(queries, 10, new() { Where = where });
        var found = index.Search(queries, 10, new() { Where = where, Approximate = true });
        Assert.All(exact.Zip(found), pair => Assert.Equal(pair.First.Count, pair.Second.Count));
        // Whatever was found has the very similarity that the exact search gives it.
        foreach (var (first, second) in exact.Zip(found))
        {
            var known = first.ToDictionary(one => one.Item.Id, one => one.Similarity);
            Assert.All(second, one => Assert.Equal(known.GetValueOrDefault(one.Item.Id, one.Similarity), one.Similarity));
            Assert.Equal(second.OrderByDescending(one => one.Similarity), second);
        }
        return exact
            .Zip(found)
            .Average(pair =>
                pair.First.Select(one => one.Item.Id).Intersect(pair.Second.Select(one => one.Item.Id)).Count() / (double)pair.First.Count
            );
    }

    [Fact]
    public void The_graph_finds_nearly_all_also_after_half_was_deleted_and_more_was_added()
    {
        var queries = Sample.Clustered(50, Dimension, 7, clusters: 60);
        var vectors = Sample.Clustered(3000, Dimension, 1, clusters: 60);
        using (var index = VectorIndex.Create(folder["a.index"], Sample.Header(Dimension)))
        {
            index.Add(vectors, Sample.Items(3000));
            var shares = new List<double>();
            index.BuildApproximate(new() { Threads = 2 }, new Collected(shares));
            Assert.Equal(1, shares.Max(), 1e-6);
        }
        using var again = VectorIndex.Open(folder["a.index"], write: true);
        Assert.True(again.HasApproximate);
        Assert.InRange(Recall(again, queries), 0.95, 1);
        again.Remove([.. Enumerable.Range(0, 1500).Select(i => 2L * i + 1)]);
        Assert.InRange(Recall(again, queries), 0.95, 1);
        again.Add(Sample.Clustered(200, Dimension, 11, clusters: 60), Sample.Items(200, 3000));
        Assert.InRange(Recall(again, queries), 0.95, 1);
        Assert.InRange(Recall(again, queries, IndexFilter.Parse("class=hat")), 0.95, 1);
        Assert.Equal(1, Recall(again, queries, IndexFilter.Parse("id<50")));
        again.Compact();
        Assert.True(again.HasApproximate);
        Assert.InRange(Recall(again, queries), 0.95, 1);
    }

    private sealed class Collected(List<double> shares) : IProgress<double>
    {
        public void Report(double value)
        {
            lock (shares)
                shares.Add(value);
        }
    }

    [Fact]
    public void A_build_that_is_stopped_leaves_the_index_as_it_was()
    {
        using var index = Sample.Made(folder["a.index"], 500, Dimension);
        var bytes = index.FileBytes;
        using var stop = new CancellationTokenSource();
        Assert.ThrowsAny<OperationCanceledException>(() => index.BuildApproximate(progress: new StopsAt(stop), stop: stop.Token));
        Assert.False(index.HasApproximate);
        Assert.Equal(bytes, index.FileBytes);
        Assert.Equal(10, index.Search(Sample.Clustered(1, Dimension, 3), 10)[0].Count);
    }

    private sealed class StopsAt(CancellationTokenSource source) : IProgress<double>
    {
        public void Report(double value) => source.Cancel();
    }

    [Fact]
    public void Where_k_is_all_that_there_is_all_is_found()
    {
        using var index = Sample.Made(folder["a.index"], 300, Dimension);
        index.BuildApproximate();
        var query = Sample.Clustered(1, Dimension, 3);
        Assert.Equal(
            index.Search(query, 1000)[0].Select(one => one.Item.Id),
            index.Search(query, 1000, new() { Approximate = true })[0].Select(one => one.Item.Id)
        );
    }

    [Theory]
    [InlineData(1, 128, 64, "connectivity")]
    [InlineData(16, 0, 64, "build effort")]
    [InlineData(16, 128, 0, "effort")]
    public void Options_that_cannot_be_are_refused(int connectivity, int buildEffort, int effort, string because)
    {
        using var index = Sample.Made(folder["a.index"], 3, 2);
        var options = new ApproximateOptions
        {
            Connectivity = connectivity,
            BuildEffort = buildEffort,
            Effort = effort,
        };
        Assert.Contains(because, Assert.Throws<IndexException>(() => index.BuildApproximate(options)).Message, StringComparison.Ordinal);
    }
}
