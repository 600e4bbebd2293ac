using Tessera.Models;
using Tessera.Testing;

namespace Tessera.Tests.Models;

public class ConVitTests : LiveTensors
{
    private static readonly ConVit.Config Small = new((24, 32), 4, 36, 4, 9, 2, 5);

    [Fact]
    public void Features_blocks_and_attention_have_their_shapes()
    {
        using var scope = Torch.Scope();
        var model = new ConVit(Small);
        model.Eval();
        var image = Torch.Randn([2, 3, 24, 32]);
        Assert.Equal(new Shape(2, 49, 36), model.ForwardFeatures(image).Shape);
        Assert.Equal([48, 48, 49, 49], model.ForwardIntermediates(image).Select(b => b.Size(1)));
        Assert.All(model.ForwardIntermediates(image, prefixTokens: false), block => Assert.Equal(48, block.Size(1)));
        Assert.Equal((4, new Shape(2, 36, 6, 8)), model.ForwardFeatureMaps(image).Select(m => (m.Stride, m.Map.Shape)).Single());
        var attention = model.AttentionMaps(image);
        Assert.Equal([48, 48, 49, 49], attention.Values.Select(a => a.Size(3)));
        Assert.All(attention.Values, weights => Assert.True(weights.Sum(-1).Allclose(Torch.Ones([1]))));
    }

    [Fact]
    public void At_first_each_head_looks_at_one_point_of_a_kernel()
    {
        using var scope = Torch.Scope();
        var model = new ConVit(Small with { LocalityStrength = 20 });
        var state = model.StateDict();
        // The gate closed to content: position alone counts.
        using (Torch.NoGrad())
            state["blocks.0.attn.gating_param"].Fill_(50);
        model.Eval();
        var attention = model.AttentionMaps(Torch.Randn([1, 3, 24, 32]))["blocks.0.attn.attention"];
        var (row, column) = (3, 4);
        for (var head = 0; head < 9; head++)
        {
            var key = (row + head % 3 - 1) * 8 + column + head / 3 - 1;
            Assert.True(attention[0][head][row * 8 + column][key].ToDouble() > 0.999, $"head {head}");
        }
        // Values pass unchanged.
        Near.Identical(Torch.Eye(36), state["blocks.0.attn.v.weight"]);
    }

    [Fact]
    public void An_open_gate_leaves_attention_by_content_alone()
    {
        using var scope = Torch.Scope();
        var (one, other) = (new ConVit(Small), new ConVit(Small));
        other.LoadStateDict(one.StateDict());
        using (Torch.NoGrad())
            foreach (var model in new[] { one, other })
            foreach (var (name, parameter) in model.NamedParameters())
                if (name.EndsWith("gating_param", StringComparison.Ordinal))
                    parameter.Fill_(-50);
                else if (model == other && name.EndsWith("pos_proj.weight", StringComparison.Ordinal))
                    parameter.Normal_(0, 1);
        one.Eval();
        other.Eval();
        var image = Torch.Randn([1, 3, 24, 32]);
        Near.Equal(one.Call(image), other.Call(image), 1e-6);
    }

    [Fact]
    public void Offsets_follow_the_resolution_and_are_no_part_of_a_checkpoint()
    {
        using var scope = Torch.Scope();
        var model = new ConVit(Small with { ImageSize = (24, 24) });
        Assert.DoesNotContain(model.StateDict().Keys, name => name.Contains("offset", StringComparison.Ordinal));
        var weights = new OrderedDictionary<string, Tensor>(model.StateDict());
        var large = new ConVit(Small with { ImageSize = (32, 40) });
        large.Load(weights);
        model.Resize(32, 40);
        model.Eval();
        large.Eval();
        var image = Torch.Randn([1, 3, 32, 40]);
        Near.Identical(model.Call(image), large.Call(image));
    }

    [Fact]
    public void The_class_token_needs_a_block() =>
        Assert.Contains(
            "class token",
            Assert.Throws<ArgumentException>(() => new ConVit(Small with { PositionalBlocks = 4 })).Message,
            StringComparison.Ordinal
        );
}
