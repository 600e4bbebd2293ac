using Tessera.Models;
using Tessera.Models.Layers;
using Tessera.Nn;

namespace Tessera.Tests.Models;

public class SwinTests
{
    private static readonly Swin.Config Small = new((32, 48), 8, [2, 2, 1], [2, 2, 4], 4, 2, 5);

    [Fact]
    public void Windows_joined_again_are_the_map()
    {
        using var scope = Torch.Scope();
        var map = Torch.Randn([2, 6, 8, 3]);
        var windows = Windows.Cut(map, (3, 2));
        Assert.Equal(new Shape(16, 6, 3), windows.Shape);
        // The second window of the second image: columns 2 and 3, rows by rows.
        Assert.True(windows[9].Equal(map[1, 0..3, 2..4].Reshape(6, 3)));
        Assert.True(Windows.Join(windows, (3, 2), 6, 8).Equal(map));
        Assert.Contains("6 x 8", Assert.Throws<ShapeException>(() => Windows.Cut(map, (4, 4))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Shifted_windows_do_not_look_across_the_seam()
    {
        using var scope = Torch.Scope();
        Torch.Seed(2);
        var swin = new Swin(Small with { ImageSize = (16, 16), Depths = [2], Heads = [2] });
        // Weights as at the start leave every attention nearly uniform.
        foreach (var parameter in swin.Parameters())
            Init.Normal(parameter, 0.3);
        swin.Eval();
        var image = Torch.Randn([1, 3, 16, 16]);
        var masked = swin.Call(image);
        using (Torch.NoGrad())
            swin.StateDict()["layers.0.blocks.1.attn_mask"].Zero_();
        Assert.False(swin.Call(image).Allclose(masked, 1e-4, 1e-5));
    }

    [Fact]
    public void Each_image_of_a_batch_is_seen_by_itself()
    {
        using var scope = Torch.Scope();
        var swin = new Swin(Small with { ImageSize = (32, 64) });
        swin.Eval();
        var images = Torch.Randn([3, 3, 32, 64]);
        Assert.True(swin.Call(images)[1..2].Allclose(swin.Call(images[1..2]), 1e-4, 1e-5));
    }

    [Fact]
    public void A_dense_model_agrees_with_the_classifier_where_windows_fit_and_takes_any_size()
    {
        using var scope = Torch.Scope();
        var config = Small with { ImageSize = (32, 64), Depths = [2, 2], Heads = [2, 2], AbsolutePositions = true };
        var (classifier, dense) = (new Swin(config), new Swin(config with { Dense = true, Classes = 0 }));
        var state = new Dictionary<string, Tensor>(classifier.StateDict());
        dense.AdaptStateDict(state);
        Assert.True(dense.LoadStateDict(state).Complete);
        classifier.Eval();
        dense.Eval();
        var image = Torch.Randn([1, 3, 32, 64]);
        // Both last norms are as they were initialised.
        Assert.True(dense.ForwardFeatureMaps(image)[1].Map.Allclose(classifier.ForwardFeatureMaps(image)[1].Map, 1e-3, 1e-4));
        Assert.Equal(
            [(11, 16), (6, 8)],
            dense.ForwardFeatureMaps(Torch.Randn([1, 3, 21, 31])).Select(map => ((int)map.Map.Size(2), (int)map.Map.Size(3)))
        );
    }

    [Fact]
    public void Another_size_makes_new_masks_and_resamples_tables()
    {
        using var scope = Torch.Scope();
        var swin = new Swin(Small with { ImageSize = (32, 32), AbsolutePositions = true });
        swin.Eval();
        Assert.Throws<ShapeException>(() => swin.Call(Torch.Zeros([1, 3, 64, 64])));
        swin.Resize(64, 64);
        Assert.Equal(new Shape(1, 5), swin.Call(Torch.Zeros([1, 3, 64, 64])).Shape);
        Assert.Equal(new Shape(64, 16, 16), swin.StateDict()["layers.0.blocks.1.attn_mask"].Shape);
        // At 16 pixels the maps of the last two stages are smaller than a window.
        swin.Resize(16, 16);
        Assert.Equal(new Shape(9, 4), swin.StateDict()["layers.2.blocks.0.attn.relative_position_bias_table"].Shape);
        Assert.False(swin.StateDict().ContainsKey("layers.1.blocks.1.attn_mask"));
        Assert.Equal(new Shape(1, 5), swin.Call(Torch.Zeros([1, 3, 16, 16])).Shape);
        var refusal = Assert.Throws<ShapeException>(() => swin.Resize(40, 40));
        Assert.Contains("40 x 40", refusal.Message, StringComparison.Ordinal);
        Assert.Equal((16, 16), swin.ImageSize);
    }

    [Fact]
    public void Weights_of_another_window_fit_after_they_are_adapted()
    {
        using var scope = Torch.Scope();
        var (small, large) = (new Swin(Small with { ImageSize = (32, 32) }), new Swin(Small with { ImageSize = (64, 64), Window = 8 }));
        var state = new Dictionary<string, Tensor>(small.StateDict());
        large.AdaptStateDict(state);
        Assert.True(large.LoadStateDict(state).Complete);
        Assert.Equal(new Shape(225, 2), large.StateDict()["layers.0.blocks.0.attn.relative_position_bias_table"].Shape);
        Assert.Throws<ShapeException>(() => RelativePositions.SideOf(50));
    }

    [Fact]
    public void Tables_do_not_decay()
    {
        using var scope = Torch.Scope();
        var swin = new Swin(Small with { ImageSize = (32, 32), AbsolutePositions = true });
        Assert.Equal(6, swin.NamedParameters().Count(p => swin.NoWeightDecay(p.Name)));
    }
}
