using Tessera.Native;
using Tessera.Retrieval;
using Tessera.Testing;

namespace Tessera.Tests.Retrieval;

public sealed class SearchTests : IDisposable
{
    private readonly TempFolder folder = new();

    public void Dispose()
    {
        Dispatcher.Check(KernelImports.KernelsUse(""));
        folder.Dispose();
    }

    private static void CheckEqual((int Row, double Similarity)[] expected, IReadOnlyList<Neighbor> found)
    {
        Assert.Equal(expected.Select(one => one.Row + 1L), found.Select(one => one.Item.Id));
        Assert.All(expected.Zip(found), pair => Assert.Equal(pair.First.Similarity, pair.Second.Similarity, 1e-6));
    }

    public static TheoryData<int, int, int, int> Sizes() =>
        new()
        {
            { 1, 1, 1, 1 },
            { 5, 3, 2, 10 },
            { 119, 7, 1, 3 },
            { 120, 8, 17, 5 },
            { 5000, 33, 9, 10 },
            { 4000, 64, 300, 7 },
            { 700, 384, 40, 700 },
        };

    [Theory]
    [MemberData(nameof(Sizes))]
    public void The_exact_search_finds_what_plain_sums_find(int count, int dimension, int queries, int k)
    {
        var vectors = Sample.Clustered(count, dimension, 1);
        var asked = Sample.Clustered(queries, dimension, 2);
        using var index = VectorIndex.Create(folder["a.index"], Sample.Header(dimension));
        index.Add(vectors, Sample.Items(count));
        foreach (var threads in new[] { 1, 3 })
        {
            var found = index.Search(asked, k, new() { Threads = threads });
            Assert.Equal(queries, found.Count);
            for (var q = 0; q < queries; q++)
                CheckEqual(Sample.Nearest(vectors, asked.AsSpan(q * dimension, dimension), k), found[q]);
        }
    }

    [Theory]
    [InlineData("plain")]
    [InlineData("avx2")]
    [InlineData("avx512")]
    [InlineData("avx512_bf16")]
    public void Every_set_of_kernels_finds_the_same(string kernels)
    {
        // A processor without these instructions says which it runs.
        if (KernelImports.KernelsUse(kernels) != 0)
            return;
        var vectors = Sample.Clustered(1000, 48, 1);
        var asked = Sample.Clustered(21, 48, 2);
        using var index = VectorIndex.Create(folder["a.index"], Sample.Header(48));
        index.Add(vectors, Sample.Items(1000));
        var found = index.Search(asked, 10);
        for (var q = 0; q < 21; q++)
            CheckEqual(Sample.Nearest(vectors, asked.AsSpan(q * 48, 48), 10), found[q]);
    }

    [Fact]
    public void A_query_finds_the_same_alone_and_in_a_batch_with_the_same_similarities()
    {
        using var index = Sample.Made(folder["a.index"], 3000, 96);
        var asked = Sample.Clustered(130, 96, 2);
        var together = index.Search(asked, 15);
        for (var q = 0; q < 130; q++)
            Assert.Equal(
                together[q].Select(one => (one.Item.Id, one.Similarity)),
                index.Search(asked.AsSpan(q * 96, 96), 15, new() { Threads = 1 })[0].Select(one => (one.Item.Id, one.Similarity))
            );
    }

    [Fact]
    public void Of_equally_near_items_the_earlier_come_first()
    {
        using var index = VectorIndex.Create(folder["a.index"], Sample.Header(2));
        var same = new float[2 * 5000];
        for (var i = 0; i < 5000; i++)
            same[2 * i] = 1;
        index.Add(same, Sample.Items(5000));
        var found = index.Search([1, 0], 30, new() { Threads = 2 })[0];
        Assert.Equal(Enumerable.Range(1, 30).Select(i => (long)i), found.Select(one => one.Item.Id));
        Assert.All(found, one => Assert.Equal(1, one.Similarity));
    }

    [Theory]
    [InlineData(2, 2000)]
    [InlineData(7, 572)]
    [InlineData(500, 8)]
    [InlineData(3999, 2)]
    public void Filters_and_deletions_leave_the_smaller_of_k_and_what_matches(int every, int matching)
    {
        const int count = 4000;
        var vectors = Sample.Clustered(count, 20, 1);
        using var index = VectorIndex.Create(folder["a.index"], Sample.Header(20));
        var fields = (int i) => new Dictionary<string, string> { ["group"] = i % every == 0 ? "in" : "out" };
        index.Add(vectors, [.. Enumerable.Range(0, count).Select(i => new IndexItem(0, $"{i}", fields(i)))]);
        var query = Sample.Clustered(1, 20, 3);
        foreach (var k in new[] { 1, 10, 3000 })
        {
            var found = index.Search(query, k, new() { Where = IndexFilter.Parse("group=in") })[0];
            Assert.Equal(Math.Min(k, matching), found.Count);
            CheckEqual(Sample.Nearest(vectors, query, k, row => row % every == 0), found);
        }
        index.Remove([.. Enumerable.Range(0, count).Where(i => i % every == 0).Select(i => i + 1L)]);
        CheckEqual(Sample.Nearest(vectors, query, 25, row => row % every != 0), index.Search(query, 25)[0]);
        Assert.Empty(index.Search(query, 25, new() { Where = IndexFilter.Parse("group=in") })[0]);
    }

    [Fact]
    public void Options_that_cannot_be_are_refused()
    {
        using var index = Sample.Made(folder["a.index"], 3, 2);
        string Refused(float[] query, int k, SearchOptions? options = null) =>
            Assert.Throws<IndexException>(() => index.Search(query, k, options)).Message;
        Assert.Contains("k must be at least 1", Refused([1, 0], 0), StringComparison.Ordinal);
        Assert.Contains("query 0 has length 2", Refused([2, 0], 1), StringComparison.Ordinal);
        Assert.Contains("not a multiple", Refused([1, 0, 0], 1), StringComparison.Ordinal);
        Assert.Contains("effort", Refused([1, 0], 1, new() { Effort = -1 }), StringComparison.Ordinal);
        Assert.Contains("threads", Refused([1, 0], 1, new() { Threads = -1 }), StringComparison.Ordinal);
        Assert.Contains("build it first", Refused([1, 0], 1, new() { Approximate = true }), StringComparison.Ordinal);
        Assert.Empty(index.Search([], 1));
    }
}
