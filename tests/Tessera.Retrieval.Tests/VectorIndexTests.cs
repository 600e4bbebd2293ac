using Tessera.Retrieval;
using Tessera.Testing;

namespace Tessera.Tests.Retrieval;

public sealed class VectorIndexTests : IDisposable
{
    private readonly TempFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void What_was_added_is_there_when_the_file_is_opened_again()
    {
        var header = new IndexHeader(8, "vit_small, cls", "abc", "def")
        {
            Projection = new(new float[] { 1, 2 }, Enumerable.Range(0, 16).Select(i => (float)i).ToArray()),
            Notes = new Dictionary<string, string> { ["pool"] = "gem" },
        };
        var vectors = Sample.Clustered(5, 8, 3);
        string before;
        using (var index = VectorIndex.Create(folder["a.index"], header))
        {
            Assert.Equal([1L, 2, 3], index.Add(vectors.AsSpan(0, 24), Sample.Items(3)));
            Assert.Equal([4L, 5], index.Add(vectors.AsSpan(24), Sample.Items(2, 3)));
            before = Sample.Contents(index);
        }
        using var again = VectorIndex.Open(folder["a.index"]);
        Assert.Equal(before, Sample.Contents(again));
        Assert.Equal(5, again.Count);
        Assert.Equal(new FileInfo(folder["a.index"]).Length, again.FileBytes);
        Assert.Equal("photos/3.jpg", again.Find(4)!.Name);
        Assert.Equal("1993", again.Find(4)!.Metadata["year"]);
        Assert.Null(again.Find(6));
        Assert.Equal(vectors[8..16], again.VectorOf(2));
        Assert.Equal(
            (header.Dimension, header.Model, header.ModelHash, header.PreprocessingHash),
            (again.Header.Dimension, again.Header.Model, again.Header.ModelHash, again.Header.PreprocessingHash)
        );
        Assert.Equal("gem", again.Header.Notes["pool"]);
        Assert.Equal([1f, 2f], again.Header.Projection!.Mean.ToArray());
        Assert.Equal(header.Projection.Rows.ToArray(), again.Header.Projection.Rows.ToArray());
        Assert.Equal([Path.GetFileName(folder["a.index"])], folder.Names);
    }

    [Fact]
    public void Ids_stay_and_are_never_given_twice()
    {
        var vectors = Sample.Clustered(6, 4, 5);
        using (var index = Sample.Made(folder["a.index"], 6, 4))
        {
            Assert.Equal(2, index.Remove([6, 2, 6, 99]));
            Assert.Equal(0, index.Remove([2]));
            Assert.Equal(4, index.Count);
            Assert.Null(index.Find(6));
            Assert.Null(index.VectorOf(2));
            var bytes = index.FileBytes;
            index.Compact();
            Assert.True(index.FileBytes < bytes);
            Assert.Equal([1L, 3, 4, 5], index.Items().Select(item => item.Id));
            Assert.Equal([7L], index.Add(vectors.AsSpan(0, 4), Sample.Items(1, 50)));
        }
        using var again = VectorIndex.Open(folder["a.index"], write: true);
        Assert.Equal([1L, 3, 4, 5, 7], again.Items().Select(item => item.Id));
        Assert.Equal("photos/4.jpg", again.Find(5)!.Name);
        again.Remove([7]);
        again.Compact();
        Assert.Equal([8L], again.Add(vectors.AsSpan(0, 4), Sample.Items(1)));
        Assert.Single(folder.Names);
    }

    [Fact]
    public void An_index_can_lose_all_its_items()
    {
        using var index = Sample.Made(folder["a.index"], 3, 4);
        index.Remove([1, 2, 3]);
        Assert.Empty(Assert.Single(index.Search(Sample.Clustered(1, 4, 1), 5)));
        index.Compact();
        Assert.Equal(0, index.Count);
        Assert.Empty(index.Items());
        Assert.Contains("no items", Assert.Throws<IndexException>(() => index.BuildApproximate()).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Many_small_additions_are_found_like_one_large_one()
    {
        var vectors = Sample.Clustered(300, 16, 2);
        using var small = VectorIndex.Create(folder["small.index"], Sample.Header(16));
        for (var i = 0; i < 300; i++)
            small.Add(vectors.AsSpan(16 * i, 16), Sample.Items(1, i));
        using var large = VectorIndex.Create(folder["large.index"], Sample.Header(16));
        large.Add(vectors, Sample.Items(300));
        var queries = Sample.Clustered(7, 16, 9);
        Assert.Equal(Ids(large.Search(queries, 20)), Ids(small.Search(queries, 20)));
        Assert.Equal(Sample.Contents(large), Sample.Contents(small));
    }

    private static IEnumerable<(long, float)> Ids(IReadOnlyList<IReadOnlyList<Neighbor>> found) =>
        found.SelectMany(one => one).Select(one => (one.Item.Id, one.Similarity));

    [Fact]
    public void One_program_writes_and_others_read_what_was_committed_when_they_came()
    {
        using var writer = Sample.Made(folder["a.index"], 3, 4);
        using var reader = VectorIndex.Open(folder["a.index"]);
        Assert.Contains(
            "another program",
            Assert.Throws<IndexException>(() => VectorIndex.Open(folder["a.index"], write: true)).Message,
            StringComparison.Ordinal
        );
        writer.Add(Sample.Clustered(1, 4, 8), Sample.Items(1, 9));
        writer.Remove([1]);
        Assert.Equal(3, reader.Count);
        using (var later = VectorIndex.Open(folder["a.index"]))
            Assert.Equal([2L, 3, 4], later.Items().Select(item => item.Id));
        writer.Compact();
        Assert.Contains(
            "another program",
            Assert.Throws<IndexException>(() => VectorIndex.Open(folder["a.index"], write: true)).Message,
            StringComparison.Ordinal
        );
        Assert.Equal("photos/0.jpg", reader.Find(1)!.Name);
        Assert.Contains("for reading", Assert.Throws<IndexException>(() => reader.Remove([1])).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Who_opened_a_file_that_was_replaced_does_not_write_to_it()
    {
        File.WriteAllText(folder["a"], "old");
        using var old = File.OpenHandle(folder["a"]);
        Assert.False(WriterLock.WasReplaced(old));
        File.WriteAllText(folder["b"], "new");
        File.Move(folder["b"], folder["a"], overwrite: true);
        Assert.True(WriterLock.WasReplaced(old));
    }

    [Theory]
    [InlineData(new float[] { 1, 0, 0 }, 1, "not a multiple")]
    [InlineData(new float[] { 1, 0, 0, 1 }, 1, "vector 0 has length 1.4142; it must be 1")]
    [InlineData(new float[] { 1, 0, 0, 0, float.NaN, 0, 0, 0 }, 2, "vector 1 has length NaN")]
    [InlineData(new float[] { 1, 0, 0, 0 }, 2, "1 vectors came with 2 items")]
    public void Vectors_that_do_not_fit_are_refused(float[] vectors, int items, string because)
    {
        using var index = VectorIndex.Create(folder["a.index"], Sample.Header(4));
        var error = Assert.Throws<IndexException>(() => index.Add(vectors, Sample.Items(items)));
        Assert.Contains(because, error.Message, StringComparison.Ordinal);
        Assert.Equal(0, index.Count);
    }

    [Fact]
    public void Fields_that_every_item_has_by_itself_are_refused()
    {
        using var index = VectorIndex.Create(folder["a.index"], Sample.Header(1));
        var item = new IndexItem(0, "a.jpg", new Dictionary<string, string> { ["id"] = "7" });
        Assert.Contains(
            "'a.jpg' has a field 'id'",
            Assert.Throws<IndexException>(() => index.Add([1f], [item])).Message,
            StringComparison.Ordinal
        );
    }

    [Fact]
    public void Files_that_are_no_index_are_refused_by_name()
    {
        string Refused(Action open)
        {
            var message = Assert.Throws<IndexException>(open).Message;
            Assert.Contains(folder.Path, message, StringComparison.Ordinal);
            return message;
        }
        Assert.Contains("no such file", Refused(() => VectorIndex.Open(folder["none.index"])), StringComparison.Ordinal);
        Assert.Contains("not an index", Refused(() => VectorIndex.Open(folder.Write("short", "text"))), StringComparison.Ordinal);
        Assert.Contains("not an index", Refused(() => VectorIndex.Open(folder.Write("long", new byte[20000]))), StringComparison.Ordinal);
        using (Sample.Made(folder["a.index"], 1, 4))
            Assert.Contains(
                "exists already",
                Refused(() => VectorIndex.Create(folder["a.index"], Sample.Header(4))),
                StringComparison.Ordinal
            );
        Assert.Contains("no folder", Refused(() => VectorIndex.Create(folder["none/a.index"], Sample.Header(4))), StringComparison.Ordinal);
    }

    [Fact]
    public void Headers_that_cannot_be_are_refused()
    {
        Assert.Contains(
            "at least 1",
            Assert.Throws<IndexException>(() => VectorIndex.Create(folder["a"], Sample.Header(0))).Message,
            StringComparison.Ordinal
        );
        var crooked = Sample.Header(2) with { Projection = new(new float[3], new float[5]) };
        Assert.Contains(
            "5 numbers",
            Assert.Throws<IndexException>(() => VectorIndex.Create(folder["a"], crooked)).Message,
            StringComparison.Ordinal
        );
        Assert.Empty(folder.Names);
    }

    [Fact]
    public async Task Threads_share_an_index()
    {
        using var index = Sample.Made(folder["a.index"], 200, 16);
        var vectors = Sample.Clustered(50, 16, 4);
        var adding = Task.Run(() =>
        {
            for (var i = 0; i < 50; i++)
                index.Add(vectors.AsSpan(16 * i, 16), Sample.Items(1, i));
        });
        var queries = Sample.Clustered(3, 16, 6);
        Parallel.For(0, 100, _ => Assert.All(index.Search(queries, 10), found => Assert.Equal(10, found.Count)));
        await adding;
        Assert.Equal(250, index.Count);
    }
}
