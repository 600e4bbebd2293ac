using Tessera.Nn;
using Tessera.Testing;

namespace Tessera.Tests;

public sealed partial class TapsTests : LiveTensors
{
    private sealed partial class Attending : Layer
    {
        private readonly Linear qkv = new(2, 2);
        internal int Computed;

        protected override Tensor Forward(Tensor input)
        {
            if (Wanted("attention"))
            {
                Computed++;
                Record("attention", input.Softmax(-1));
            }
            return qkv.Call(input);
        }
    }

    private sealed partial class Net : Layer
    {
        internal readonly ModuleList<Attending> blocks = new(new Attending(), new Attending());
        private readonly Relu again = new();

        protected override Tensor Forward(Tensor input)
        {
            foreach (var block in blocks)
                input = again.Call(block.Call(input));
            return Record("tokens", input);
        }
    }

    private static string[] Recorded(params string[] patterns)
    {
        using var scope = Torch.Scope();
        var net = new Net();
        using var taps = new Taps(net, patterns);
        net.Call(Torch.Ones([1, 2]));
        return [.. taps.Records.Keys];
    }

    [Fact]
    public void Patterns()
    {
        Assert.Empty(Recorded());
        Assert.Equal(["blocks.1"], Recorded("blocks.1"));
        Assert.Equal(["blocks.0", "blocks.1"], Recorded("blocks.*"));
        Assert.Equal(["blocks.0.attention", "blocks.1.attention"], Recorded("blocks.*.attention"));
        Assert.Equal(["blocks.0.attention", "blocks.1.attention"], Recorded("**.attention"));
        Assert.Equal(["blocks.0.qkv", "blocks.1.qkv"], Recorded("*.*.qkv"));
        Assert.Equal(["blocks.1.attention", "blocks.1.qkv", "blocks.1"], Recorded("blocks.1**"));
        Assert.Equal(["tokens"], Recorded("tokens", "nothing"));
        Assert.Empty(Recorded("block?.0", "Blocks.0", "locks.0", "blocks"));
    }

    [Fact]
    public void A_name_that_comes_again_is_numbered() => Assert.Equal(["again", "again#1"], Recorded("again"));

    [Fact]
    public void Everything() => Assert.Equal(10, Recorded("**").Length);

    [Fact]
    public void What_nobody_asked_for_is_not_computed()
    {
        using var scope = Torch.Scope();
        var net = new Net();
        using (new Taps(net, "blocks.*"))
            net.Call(Torch.Ones([1, 2]));
        Assert.Equal(0, net.blocks[0].Computed);
        using (new Taps(net, "blocks.1.attention"))
            net.Call(Torch.Ones([1, 2]));
        Assert.Equal((0, 1), (net.blocks[0].Computed, net.blocks[1].Computed));
        net.Call(Torch.Ones([1, 2]));
        Assert.Equal(1, net.blocks[1].Computed);
    }

    [Fact]
    public void Records_outlive_the_call_and_carry_gradients()
    {
        using var scope = Torch.Scope();
        var net = new Net();
        using var taps = new Taps(net, "blocks.0");
        net.Call(Torch.Ones([1, 2]));
        taps["blocks.0"].Sum().Backward();
        Assert.Contains(net.Parameters(), p => p.Grad is not null);
        var error = Assert.Throws<KeyNotFoundException>(() => taps["blocks.7"]);
        Assert.Contains("the records are blocks.0", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Recordings_nest_and_other_threads_are_not_recorded()
    {
        using var scope = Torch.Scope();
        var (one, two) = (new Net(), new Net());
        using var outer = new Taps(one, "tokens");
        using (var inner = new Taps(two, "tokens"))
        {
            two.Call(Torch.Ones([1, 2]));
            Assert.Single(inner.Records);
        }
        Assert.Empty(outer.Records);
        var thread = new Thread(() => one.Call(Torch.Ones([1, 2])));
        thread.Start();
        thread.Join();
        Assert.Empty(outer.Records);
        one.Call(Torch.Ones([1, 2]));
        Assert.Single(outer.Records);
    }

    [Fact]
    public void Records_outside_of_scopes_are_left_to_the_collector()
    {
        var net = new Net();
        using var taps = new Taps(net, "blocks.0");
        net.Call(Torch.Ones([1, 2]));
        Assert.True(taps["blocks.0"].IsAlive);
    }
}
