using Tessera.Models;

namespace Tessera.Training.Tests;

[Collection("engine")]
public sealed class LayerDecayTests
{
    private static IReadOnlyDictionary<string, int> Layers(string model, int side)
    {
        using var skip = Nn.Init.Skip();
        return LayerDecay.Layers(Registry.Create(model, new() { Classes = 3, ImageSize = (side, side) }));
    }

    [Fact]
    public void Tokens_come_first_and_both_heads_last()
    {
        using var scope = new Scope();
        var layers = Layers("deit_tiny_distilled_patch16_224", 32);
        Assert.All(["cls_token", "dist_token", "pos_embed", "patch_embed.proj.weight"], name => Assert.Equal(0, layers[name]));
        Assert.All(["norm.weight", "head.weight", "head_dist.weight"], name => Assert.Equal(13, layers[name]));
        Assert.Equal(2, layers["blocks.1.attn.qkv.weight"]);
        Assert.Equal(11, layers["blocks.10.attn.qkv.weight"]);
    }

    [Fact]
    public void Sequence_pooling_belongs_to_the_head_although_it_is_declared_before_the_blocks()
    {
        using var scope = new Scope();
        var layers = Layers("cct_2_3x2_32", 32);
        Assert.Equal(0, layers["tokenizer.conv_layers.0.0.weight"]);
        Assert.Equal(0, layers["classifier.positional_emb"]);
        Assert.Equal(3, layers["classifier.attention_pool.weight"]);
        Assert.Equal(3, layers["classifier.norm.weight"]);
    }

    [Fact]
    public void What_stands_between_blocks_belongs_to_the_one_before()
    {
        using var scope = new Scope();
        var layers = Layers("swin_tiny_patch4_window7_224", 224);
        Assert.Equal(2, layers["layers.0.blocks.1.attn.relative_position_bias_table"]);
        Assert.Equal(2, layers["layers.0.downsample.reduction.weight"]);
        Assert.Equal(3, layers["layers.1.blocks.0.norm1.weight"]);
        Assert.Equal(13, layers["head.weight"]);
    }

    [Fact]
    public void Every_parameter_is_in_one_group_and_what_an_objective_learns_keeps_the_full_rate()
    {
        using var scope = new Scope();
        var model = new TinyModel();
        var groups = new AdamWOptions(LayerDecay: 0.5).Optimizer(new Learning(model)).Groups;
        var scales = groups.SelectMany(g => g.Parameters.Select(p => (p.Name, g.Scale, g.WeightDecay))).ToDictionary(p => p.Name);
        Assert.Equal(model.NamedParameters().Count() + 1, scales.Count);
        Assert.Equal(("stem.weight", 0.25, 0.05), scales["stem.weight"]);
        Assert.Equal(("norm.weight", 0.5, 0), scales["norm.weight"]);
        Assert.Equal(("head.weight", 1, 0.05), scales["head.weight"]);
        Assert.Equal(("objective.weight", 1, 0.05), scales["objective.weight"]);
    }

    [Fact]
    public void Learning_goes_on_with_another_rate_in_each_layer()
    {
        using var scope = new Scope();
        var model = new TinyModel();
        var before = model.Stem.Weight.Detach().Clone();
        var optimizer = new SgdOptions(1, 0, 0, LayerDecay: 0.5).Optimizer(new Supervised(model));
        foreach (var (_, parameter) in model.NamedParameters())
            parameter.Grad = parameter.OnesLike();
        optimizer.Step();
        Assert.Equal(0.25, (before - model.Stem.Weight.Detach()).Mean().ToDouble(), 1e-6);
    }
}

/// <summary>A method with a parameter of its own.</summary>
internal sealed partial class Learning(Backbone model) : BackboneObjective(model)
{
    private readonly Parameter weight = new([2, 2]);

    protected override Loss ForwardLoss(Batch batch, Progress progress, Phase phase) => new(weight.Sum());
}
