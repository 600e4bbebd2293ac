using Tessera.Retrieval;
using Tessera.Testing;

namespace Tessera.Tests.Retrieval;

public sealed class DamageTests : IDisposable
{
    private readonly TempFolder folder = new(inMemory: true);

    public void Dispose() => folder.Dispose();

    private byte[] Whole(bool withGraph)
    {
        using (var index = Sample.Made(folder["whole.index"], 20, 6))
        {
            index.Remove([3]);
            index.Add(Sample.Clustered(5, 6, 9), Sample.Items(5, 30));
            if (withGraph)
                index.BuildApproximate(new() { Threads = 1 });
        }
        var bytes = File.ReadAllBytes(folder["whole.index"]);
        File.Delete(folder["whole.index"]);
        return bytes;
    }

    // Everything that can be asked.
    private string Read(byte[] bytes)
    {
        using var index = VectorIndex.Open(folder.Write("damaged.index", bytes));
        var query = Sample.Clustered(2, 6, 4);
        var found = index.Search(query, 5).Concat(index.Search(query, 5, new() { Approximate = index.HasApproximate, Threads = 1 }));
        return Sample.Contents(index) + string.Join(' ', found.SelectMany(one => one).Select(one => $"{one.Item.Id}:{one.Similarity}"));
    }

    [Fact]
    public void A_bit_that_has_turned_is_refused_or_makes_no_difference()
    {
        var bytes = Whole(withGraph: true);
        var good = Read(bytes);
        var refused = 0;
        for (var i = 0; i < bytes.Length; i += i is > 100 and < 4000 or > 4200 and < 8100 or > 8300 and < 12200 ? 97 : 1)
        {
            bytes[i] ^= (byte)(1 << (i % 8));
            try
            {
                Assert.True(good == Read(bytes), $"byte {i} turned and was read as data");
            }
            catch (IndexException error)
            {
                Assert.Contains("damaged.index", error.Message, StringComparison.Ordinal);
                refused++;
            }
            bytes[i] ^= (byte)(1 << (i % 8));
        }
        Assert.True(refused > 500, $"only {refused} were refused");
    }

    [Fact]
    public void A_file_that_was_cut_is_refused_wherever_it_was_cut()
    {
        var bytes = Whole(withGraph: false);
        for (var length = 0; length < bytes.Length; length += length < 12000 ? 501 : 13)
            Assert.Throws<IndexException>(() => Read(bytes[..length]));
    }

    [Fact]
    [Trait("Category", Mutations.Category)]
    public void Damaged_files_give_a_value_or_an_error_of_one_line() =>
        Mutations.Check<IndexException>("index", [(Whole(withGraph: false), bytes => Read(bytes))]);
}
