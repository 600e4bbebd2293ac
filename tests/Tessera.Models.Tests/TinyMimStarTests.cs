using Tessera.Models;
using Tessera.Testing;

namespace Tessera.Tests.Models;

public class TinyMimStarTests
{
    private static TinyMimStar Small((int, int) size) => new(new(size, 4, 24, 2, 3, 40, 5));

    [Fact]
    public void Rows_and_columns_of_both_tokens_have_biases_of_their_own()
    {
        using var scope = Torch.Scope();
        var index = TinyMimStar.Block.Index((2, 3));
        // 3 x 5 offsets of patches come first.
        const long Rows = 15;
        long At(int query, int key) => index[query][key].ToInt64();
        Assert.Equal(new Shape(8, 8), index.Shape);
        Assert.Equal((Rows + 5, Rows + 3, Rows + 3), (At(0, 0), At(0, 1), At(0, 7)));
        Assert.Equal((Rows + 4, Rows + 2, Rows), (At(1, 0), At(1, 1), At(1, 7)));
        Assert.Equal((Rows + 4, Rows + 1), (At(7, 0), At(7, 1)));
        Near.Equal(Tessera.Models.Layers.RelativePositions.Index((2, 3)), index.Slice(0, 2).Slice(1, 2), 0);
    }

    [Fact]
    public void Weights_carry_the_names_of_the_released_backbone_and_load_at_another_size()
    {
        using var scope = Torch.Scope();
        Torch.Seed(1);
        var (small, large) = (Small((8, 8)), Small((12, 12)));
        var state = small.StateDict();
        Assert.Equal(new Shape(9 + 6, 3), state["blocks.1.attn.relative_position_bias_table"].Shape);
        Assert.Equal(new Shape(1, 6, 24), state["pos_embed"].Shape);
        Assert.All<string>(["dist_token", "blocks.0.gamma_1", "blocks.0.gamma_2", "conv1x1.0.weight", "conv1x1.1.weight"], name =>
            Assert.Contains(name, state.Keys)
        );
        var table = Torch.Randn([15, 3]);
        state["blocks.1.attn.relative_position_bias_table"] = table;
        state["blocks.0.attn.relative_position_index"] = Torch.Zeros([6, 6]);
        large.Load(state);
        Near.Equal(table.Slice(0, 9), large.StateDict()["blocks.1.attn.relative_position_bias_table"].Slice(0, 25), 0);
        Assert.Equal(new Shape(2, 5), large.Call(Torch.Randn([2, 3, 12, 12])).Shape);
    }

    [Fact]
    public void Training_gives_both_heads_and_prediction_their_mean()
    {
        using var scope = Torch.Scope();
        Torch.Seed(2);
        var model = Small((8, 12));
        var images = Torch.Randn([2, 3, 8, 12]);
        var outputs = model.Run(new(images));
        model.Eval();
        Near.Equal((outputs.Logits + outputs.Named[Outputs.Distillation]) / 2, model.Call(images), 1e-5);
    }

    [Fact]
    public void Without_classifiers_it_has_the_published_parameters()
    {
        using var scope = Torch.Scope();
        using var skip = Nn.Init.Skip();
        var model = Registry.Create("tinymim_star_vit_tiny_patch16", new() { Classes = 0 });
        Assert.Equal(5.8e6, model.ParameterCount, 0.1e6);
    }
}
