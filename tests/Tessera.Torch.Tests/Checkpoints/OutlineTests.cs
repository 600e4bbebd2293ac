using Tessera.Checkpoints;
using static Tessera.Tests.Checkpoints.CheckpointFiles;

namespace Tessera.Tests.Checkpoints;

public class OutlineTests
{
    static byte[] Four() => Tensor(Int(0), Int(4), Int(1));

    static Checkpoint Read(params object[] pickle) => Checkpoint.Read(Torch(Pickle(pickle)));

    [Fact]
    public void Every_set_of_weights_and_every_value_beside_them_is_a_part()
    {
        // { model: { a, b }, optimizer: { state: { 0: { exp_avg } }, param_groups: [] }, epoch: 3, name: "x" }
        using var checkpoint = Read(
            "}(",
            Text("model"),
            "}(",
            Text("a"),
            Four(),
            Text("b"),
            Four(),
            "u",
            Text("optimizer"),
            "}(",
            Text("state"),
            "}(",
            Int(0),
            "}(",
            Text("exp_avg"),
            Four(),
            "uu",
            Text("param_groups"),
            "]",
            "u",
            Text("epoch"),
            Int(3),
            Text("name"),
            Text("x"),
            "u"
        );
        Assert.Equal(
            [
                ("model", "weights", 2, 8, 32),
                ("optimizer.state", "dictionary of 1", 1, 4, 16),
                ("optimizer.param_groups", "list of 0", 0, 0, 0),
                ("epoch", "3", 0, 0, 0),
                ("name", "'x'", 0, 0, 0),
            ],
            checkpoint.Outline().Select(part => (part.Place, part.Kind, part.Tensors, part.Values, part.Bytes))
        );
        Assert.Equal(["float32"], checkpoint.Outline()[0].Types);
        Assert.Equal(["model.a", "model.b", "optimizer.state.0.exp_avg"], checkpoint.AllTensors().Select(entry => entry.Key));
    }

    [Fact]
    public void A_flat_file_is_one_part()
    {
        using var checkpoint = Checkpoint.Open(Golden("tiny.safetensors"));
        var part = Assert.Single(checkpoint.Outline());
        Assert.Equal(("", "weights", checkpoint.StateDict().Count), (part.Place, part.Kind, part.Tensors));
    }

    [Fact]
    public void Very_many_parts_are_cut_short_and_said()
    {
        object[] entries = [.. Enumerable.Range(0, 3000).SelectMany(i => (object[])[Text($"k{i}"), Int(i)])];
        using var checkpoint = Read(["}(", .. entries, Text("w"), Four(), "u"]);
        var outline = checkpoint.Outline();
        Assert.Equal(1001, outline.Count);
        Assert.Contains("1000", outline[^1].Kind, StringComparison.Ordinal);
    }

    [Fact]
    public void Code_that_a_pickle_names_is_listed_also_where_its_result_is_thrown_away()
    {
        using var checkpoint = Read(
            "cos\nsystem\n(",
            Text("true"),
            "tR0",
            "}(",
            Text("a"),
            Four(),
            Text("cfg"),
            "cmy.pkg\nConfig\n)R",
            "u"
        );
        Assert.Equal(["my.pkg.Config", "os.system"], checkpoint.ForeignNames);
        Assert.Equal("<my.pkg.Config>", checkpoint.Outline()[1].Kind);
    }

    [Fact]
    public void A_file_that_combines_its_words_to_very_many_names_takes_little_memory()
    {
        object[] calls = [.. Enumerable.Range(0, 2000).SelectMany(i => (object[])["c", $"m{i}\nf{i}\n0"])];
        using var checkpoint = Read([.. calls, "}(", Text("a"), Four(), "u"]);
        Assert.Equal(256, checkpoint.ForeignNames.Count);
        using var plain = Checkpoint.Open(Golden("nested.pth"));
        Assert.Empty(plain.ForeignNames);
    }
}
