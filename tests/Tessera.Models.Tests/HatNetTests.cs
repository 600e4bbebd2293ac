using Tessera.Models;

namespace Tessera.Tests.Models;

public class HatNetTests
{
    private static readonly HatNet.Config Small = new(
        (64, 64),
        [16, 32, 48, 64],
        16,
        [1, 1, 2, 1],
        [8, 4, 2, 1],
        [8, 4, 2, 1],
        [3, 3, 3, 3],
        [4, 4, 2, 2],
        5
    );

    [Fact]
    public void Features_pyramid_and_attention_have_their_shapes()
    {
        using var scope = Torch.Scope();
        var model = new HatNet(Small);
        model.Eval();
        var image = Torch.Randn([2, 3, 64, 96]);
        Assert.Equal(new Shape(2, 64, 2, 3), model.ForwardFeatures(image).Shape);
        Assert.Equal(
            [(4, new Shape(2, 16, 16, 24)), (8, new Shape(2, 32, 8, 12)), (16, new Shape(2, 48, 4, 6)), (32, new Shape(2, 64, 2, 3))],
            model.ForwardFeatureMaps(image).Select(m => (m.Stride, m.Map.Shape))
        );
        var attention = model.AttentionMaps(image);
        Assert.Equal(5, attention.Count);
        Assert.Equal(new Shape(2, 1, 384, 6), attention["blocks.0.0.attn.attention"].Shape);
        Assert.Equal(new Shape(2, 4, 6, 6), attention["blocks.3.0.attn.attention"].Shape);
        Assert.All(attention.Values, weights => Assert.True(weights.Sum(-1).Allclose(Torch.Ones([1]))));
        using var taps = new Taps(model, "**.window_attention");
        model.Call(image);
        // 2 images of 2 x 3 windows.
        Assert.Equal(new Shape(12, 1, 64, 64), taps["blocks.0.0.attn.window_attention"].Shape);
    }

    [Fact]
    public void Maps_that_windows_do_not_divide_are_padded()
    {
        using var scope = Torch.Scope();
        var model = new HatNet(Small);
        model.Eval();
        model.Resize(72, 80);
        Assert.Equal(new Shape(1, 5), model.Call(Torch.Randn([1, 3, 72, 80])).Shape);
        var refusal = Assert.Throws<ShapeException>(() => model.Resize(24, 64));
        Assert.Contains("at least 29", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Windows_do_not_see_each_other_in_the_first_step()
    {
        using var scope = Torch.Scope();
        Torch.Seed(1);
        var model = new HatNet(Small);
        model.Eval();
        using var taps = new Taps(model, "**.window_attention");
        var image = Torch.Randn([1, 3, 64, 64]);
        model.Call(image);
        model.Call(image);
        Assert.True(taps["blocks.0.0.attn.window_attention"].Equal(taps["blocks.0.0.attn.window_attention#1"]));
        Assert.False(taps["blocks.0.0.attn.window_attention"][0].Allclose(taps["blocks.0.0.attn.window_attention"][1], 1e-6, 1e-9));
    }

    [Fact]
    public void The_norm_that_is_never_applied_gets_no_gradient_and_all_others_do()
    {
        using var scope = Torch.Scope();
        var model = new HatNet(Small);
        model.Call(Torch.Randn([2, 3, 64, 64])).Square().Sum().Backward();
        Assert.All(model.NamedParameters(), p =>
            Assert.Equal(p.Name.Contains("proj_norm", StringComparison.Ordinal), p.Parameter.Grad is null)
        );
    }
}
