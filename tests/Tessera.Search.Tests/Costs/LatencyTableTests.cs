using System.Text;
using Tessera.Search.Costs;
using Tessera.Testing;
using Tessera.Training;

namespace Tessera.Tests.Search;

public sealed class LatencyTableTests : IDisposable
{
    private readonly TempFolder folder = new();

    public void Dispose() => folder.Dispose();

    private string Saved(LatencyTable table)
    {
        table.Save(folder["table.json"]);
        return folder["table.json"];
    }

    [Fact]
    public void A_table_reads_back_to_the_same()
    {
        var table = MadeUpTable.Of();
        var read = LatencyTable.Load(Saved(table), MadeUpTable.Machine);
        Assert.Equal(table.Settings, read.Settings);
        Assert.Equal((table.Scale, table.ReferenceMs, table.Date), (read.Scale, read.ReferenceMs, read.Date));
        Assert.Equal(table.Entries.Select(entry => (entry.Shape, entry.Ratio)), read.Entries.Select(entry => (entry.Shape, entry.Ratio)));
        var blocks = MadeUpTable.Blocks(3, 5);
        Assert.Equal(new LatencyModel(table).Milliseconds(blocks), new LatencyModel(read).Milliseconds(blocks));
    }

    [Theory]
    [InlineData("processor")]
    [InlineData("instructions")]
    [InlineData("kernels")]
    [InlineData("libtorch")]
    public void The_table_of_another_machine_is_refused(string what)
    {
        var path = Saved(MadeUpTable.Of());
        var here = what switch
        {
            "processor" => MadeUpTable.Machine with { Processor = "Abacus 4000" },
            "instructions" => MadeUpTable.Machine with { Vectors = ["AVX2"] },
            "kernels" => MadeUpTable.Machine with { Kernels = "plain" },
            _ => MadeUpTable.Machine with { Libtorch = "2.2.0" },
        };
        var message = Assert.Throws<RunException>(() => LatencyTable.Load(path, here)).Message;
        Assert.Contains("another machine", message, StringComparison.Ordinal);
        // This one is no abacus.
        Assert.Throws<RunException>(() => LatencyTable.Load(path));
    }

    [Fact]
    public void A_table_of_other_threads_and_one_that_is_not_complete_are_refused()
    {
        var path = Saved(MadeUpTable.Of());
        LatencyTable.Load(path, MadeUpTable.Machine, 1);
        Assert.Contains(
            "--threads 2",
            Assert.Throws<RunException>(() => LatencyTable.Load(path, MadeUpTable.Machine, 2)).Message,
            StringComparison.Ordinal
        );
        Saved(MadeUpTable.Of() with { Planned = 21 });
        Assert.Contains(
            "20 of 21",
            Assert.Throws<RunException>(() => LatencyTable.Load(path, MadeUpTable.Machine)).Message,
            StringComparison.Ordinal
        );
        Assert.Throws<RunException>(() => new LatencyModel(MadeUpTable.Of() with { Scale = null }).Milliseconds([]));
    }

    [Theory]
    [InlineData("\"ratio\": 0.", "\"ratio\": -0.", "ratio must be above 0")]
    [InlineData("tessera-latency", "tessera-index", "no table of latencies")]
    [InlineData("\"version\": 1", "\"version\": 2", "version 2")]
    [InlineData("\"planned\": 20", "\"planned\": 3", "planned is 3")]
    [InlineData("\"threads\": 1", "\"threads\": 0", "threads")]
    [InlineData("\"scale\": 1.5", "\"scale\": -1.5", "above 0")]
    [InlineData("\"heads\": ", "\"tails\": ", "by the same names")]
    [InlineData("{", "", "cannot be read")]
    public void A_damaged_table_is_refused_by_its_fault(string found, string instead, string message)
    {
        var path = Saved(MadeUpTable.Of());
        var text = File.ReadAllText(path);
        var at = text.IndexOf(found, StringComparison.Ordinal);
        Assert.True(at >= 0, text[..400]);
        File.WriteAllText(path, text[..at] + instead + text[(at + found.Length)..]);
        var error = Assert.Throws<RunException>(() => LatencyTable.Load(path, MadeUpTable.Machine));
        Assert.Contains(message, error.Message, StringComparison.Ordinal);
        Assert.Contains(path, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    [Trait("Category", Mutations.Category)]
    public void A_table_that_is_damaged_anywhere_is_a_value_or_a_typed_error()
    {
        var good = File.ReadAllBytes(Saved(MadeUpTable.Of(3)));
        Mutations.Check<RunException>("latency-table", [(good, bytes =>
                {
                    File.WriteAllBytes(folder["damaged.json"], bytes);
                    var table = LatencyTable.Read(folder["damaged.json"]);
                    new LatencyModel(table).RatioOf(
                        MadeUpTable.Blocks(1, 3).Where(block => table.Entries.Any(entry => entry.Shape.Equals(block)))
                    );
                })]);
    }

    [Fact]
    public void What_is_written_says_on_what_it_was_measured()
    {
        var text = File.ReadAllText(Saved(MadeUpTable.Of()), Encoding.UTF8);
        foreach (var words in new[] { "Abacus 3000", "AVX2", "\"fp32\"", "\"compiled\"", "2.1.0", "2026-11-30", "\"batch\": 1" })
            Assert.Contains(words, text, StringComparison.Ordinal);
    }
}
