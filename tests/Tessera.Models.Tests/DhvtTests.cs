using Tessera.Models;

namespace Tessera.Tests.Models;

public class DhvtTests
{
    private static readonly Dhvt.Config Small = new((16, 16), 4, 24, 2, 3, 5);

    [Fact]
    public void Features_blocks_maps_and_attention_have_their_shapes_on_any_grid()
    {
        using var scope = Torch.Scope();
        var model = new Dhvt(Small);
        model.Eval();
        var image = Torch.Randn([2, 3, 16, 24]);
        Assert.Equal(new Shape(2, 25, 24), model.ForwardFeatures(image).Shape);
        Assert.All(model.ForwardIntermediates(image, prefixTokens: false), block => Assert.Equal(new Shape(2, 24, 24), block.Shape));
        var map = Assert.Single(model.ForwardFeatureMaps(image));
        Assert.Equal((4, new Shape(2, 24, 4, 6)), (map.Stride, map.Map.Shape));
        var attention = model.AttentionMaps(image);
        Assert.Equal(["blocks.0.attn.attention", "blocks.1.attn.attention"], attention.Keys);
        // Class token, 24 patches and 3 head tokens attend.
        Assert.All(attention.Values, weights => Assert.True(weights.Sum(-1).Allclose(Torch.Ones([2, 3, 28]))));
    }

    [Fact]
    public void Each_part_can_be_switched_off()
    {
        using var scope = Torch.Scope();
        var image = Torch.Randn([1, 3, 16, 16]);
        Assert.DoesNotContain("patch_embed.pre_affine.alpha", Names(Small with { OverlappingPatches = false }));
        Assert.DoesNotContain("blocks.0.attn.ht_proj.weight", Names(Small with { HeadTokens = false }));
        Assert.Contains("blocks.0.mlp.fc1.weight", Names(Small with { DynamicFeedForward = false }));

        IEnumerable<string> Names(Dhvt.Config config)
        {
            var model = new Dhvt(config);
            model.Eval();
            Assert.Equal(new Shape(1, 5), model.Call(image).Shape);
            return model.StateDict().Keys;
        }
    }

    [Fact]
    public void Another_classifier_and_size_will_do()
    {
        using var scope = Torch.Scope();
        var model = new Dhvt(Small);
        model.Eval();
        model.ResetClassifier(7);
        model.Resize(20, 20);
        Assert.Equal(new Shape(1, 7), model.Call(Torch.Zeros([1, 3, 20, 20])).Shape);
        model.ResetClassifier(0);
        Assert.Equal(new Shape(1, 24), model.Call(Torch.Zeros([1, 3, 20, 20])).Shape);
        Assert.Throws<ShapeException>(() => new Dhvt(Small with { OverlappingPatches = false }).Resize(18, 16));
    }

    [Fact]
    public void The_gate_of_the_class_token_depends_on_the_patches()
    {
        using var scope = Torch.Scope();
        Torch.Seed(3);
        var model = new Dhvt(Small with { Depth = 1, HeadTokens = false });
        model.Eval();
        using var taps = new Taps(model, "blocks.0.mlp");
        model.Call(Torch.Randn([2, 3, 16, 16]));
        var token = taps["blocks.0.mlp"].Select(1, 0);
        Assert.False(token[0].Allclose(token[1], 1e-4, 1e-6));
    }
}
