using Tessera.Models;

namespace Tessera.Tests.Models;

public class CmtTests
{
    private static readonly Cmt.Config Small = new(
        (32, 64),
        [8, 16, 24, 32],
        [1, 1, 2, 1],
        [1, 2, 3, 4],
        [3.6, 3.6, 3.6, 3.6],
        4,
        5,
        HeadWidth: 40
    );

    [Fact]
    public void Features_pyramid_and_attention_have_their_shapes()
    {
        using var scope = Torch.Scope();
        var model = new Cmt(Small);
        model.Eval();
        var image = Torch.Randn([2, 3, 32, 64]);
        Assert.Equal(new Shape(2, 40, 1, 2), model.ForwardFeatures(image).Shape);
        Assert.Equal(
            [(4, new Shape(2, 8, 8, 16)), (8, new Shape(2, 16, 4, 8)), (16, new Shape(2, 24, 2, 4)), (32, new Shape(2, 32, 1, 2))],
            model.ForwardFeatureMaps(image).Select(m => (m.Stride, m.Map.Shape))
        );
        Assert.Equal([128, 32, 8, 8, 2], model.ForwardIntermediates(image).Select(b => b.Size(1)));
        var attention = model.AttentionMaps(image);
        Assert.Equal(5, attention.Count);
        Assert.Equal(new Shape(2, 1, 128, 2), attention["blocks_a.0.attn.attention"].Shape);
        Assert.All(attention.Values, weights => Assert.True(weights.Sum(-1).Allclose(Torch.Ones([1]))));
    }

    [Fact]
    public void Another_size_resamples_the_relative_biases()
    {
        using var scope = Torch.Scope();
        var model = new Cmt(Small);
        model.Eval();
        var refusal = Assert.Throws<ShapeException>(() => model.Call(Torch.Zeros([1, 3, 64, 64])));
        Assert.Contains("[B, 3, 32, 64]", refusal.Message, StringComparison.Ordinal);
        model.Resize(64, 96);
        Assert.Equal(new Shape(1, 5), model.Call(Torch.Zeros([1, 3, 64, 96])).Shape);
        Assert.Equal(new Shape(1, 384, 6), model.StateDict()["relative_pos_a"].Shape);
        Assert.Contains("32", Assert.Throws<ShapeException>(() => model.Resize(64, 80)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Resampling_keeps_what_depends_on_one_grid_alone()
    {
        using var scope = Torch.Scope();
        // The same map of queries for every key: the keys' own resampling changes nothing.
        var map = Torch.Randn([1, 1, 8, 8], DType.Float64);
        var doubled = Cmt.ResampleBias(map.Reshape(1, 64, 1).Expand([1, 64, 4]), ((8, 8), (2, 2)), ((16, 16), (4, 4)));
        Assert.True(doubled.Allclose(map.UpsampleBicubic2d((16, 16), false).Reshape(1, 256, 1).Expand([1, 256, 16]), 0, 1e-12));
        Assert.True(Cmt.ResampleBias(Torch.Ones([2, 64, 4]), ((8, 8), (2, 2)), ((4, 12), (1, 3))).Allclose(Torch.Ones([2, 48, 3])));
    }

    [Fact]
    public void Weights_of_another_size_load()
    {
        using var scope = Torch.Scope();
        var source = new Cmt(Small with { ImageSize = (64, 64) });
        var target = new Cmt(Small with { ImageSize = (32, 32) });
        target.Load(source.StateDict());
        var expected = Cmt.ResampleBias(source.StateDict()["relative_pos_b"], ((8, 8), (2, 2)), ((4, 4), (1, 1)));
        Assert.True(target.StateDict()["relative_pos_b"].Allclose(expected));
    }
}
