using Tessera.Models;

namespace Tessera.Tests.Models;

public class CsWinTests
{
    private static readonly CsWin.Config Small = new((64, 96), 8, [1, 1, 2, 1], [1, 2, 2, 7], [2, 2, 4, 4], 5);

    [Fact]
    public void The_first_half_of_the_heads_sees_vertical_stripes_the_second_horizontal_ones()
    {
        using var scope = Torch.Scope();
        var maps = new CsWin(Small).AttentionMaps(Torch.Randn([1, 3, 64, 96]));
        // The second stage has 8 x 12 positions and stripes of 2.
        Assert.Equal(new Shape(6, 1, 16, 16), maps["stage2.0.attns.0.attention"].Shape);
        Assert.Equal(new Shape(4, 1, 24, 24), maps["stage2.0.attns.1.attention"].Shape);
        Assert.Equal(new Shape(1, 4, 6, 6), maps["stage4.0.attns.0.attention"].Shape);
    }

    [Fact]
    public void A_dense_model_takes_the_weights_of_a_classifier_and_any_size()
    {
        using var scope = Torch.Scope();
        var (classifier, dense) = (new CsWin(Small), new CsWin(Small with { Dense = true, Classes = 0 }));
        var report = dense.LoadStateDict(classifier.StateDict(), strict: false);
        Assert.Equal(8, report.Missing.Count);
        Assert.All(report.Missing, name => Assert.StartsWith("norm", name, StringComparison.Ordinal));
        Assert.Equal(["norm.weight", "norm.bias", "head.weight", "head.bias"], report.Unexpected);
        var state = new Dictionary<string, Tensor>(classifier.StateDict());
        dense.AdaptStateDict(state);
        Assert.True(dense.LoadStateDict(state).Complete);
        classifier.Eval();
        dense.Eval();
        var image = Torch.Randn([1, 3, 64, 96]);
        // Both last norms are as they were initialised.
        Assert.True(dense.ForwardFeatureMaps(image)[3].Map.Allclose(classifier.ForwardFeatureMaps(image)[3].Map, 1e-3, 1e-4));
        Assert.Equal(
            [(17, 12), (9, 6), (5, 3), (3, 2)],
            dense.ForwardFeatureMaps(Torch.Randn([1, 3, 70, 48])).Select(map => ((int)map.Map.Size(2), (int)map.Map.Size(3)))
        );
    }

    [Fact]
    public void Stripes_grow_with_the_image_where_they_no_longer_fit()
    {
        using var scope = Torch.Scope();
        var model = new CsWin(Small with { ImageSize = (224, 224), Splits = [1, 2, 7, 7] });
        model.Resize(384, 384);
        Assert.Equal([1, 2, 12, 7], model.Options.Splits);
        Assert.Contains("stripes", Assert.Throws<ShapeException>(() => model.Resize(400, 400)).Message, StringComparison.Ordinal);
        Assert.Equal((384, 384), model.ImageSize);
    }

    [Fact]
    public void A_stage_of_a_single_window_keeps_it_at_another_size()
    {
        using var scope = Torch.Scope();
        var model = new CsWin(Small with { ImageSize = (64, 64), Splits = [2, 4, 4, 7] });
        model.Eval();
        Assert.True(model.StateDict().ContainsKey("stage3.0.attns.0.get_v.weight"));
        Assert.False(model.StateDict().ContainsKey("stage3.0.attns.1.get_v.weight"));
        model.Resize(128, 128);
        Assert.Equal(8, model.Options.Splits[2]);
        Assert.Equal(new Shape(1, 5), model.Call(Torch.Zeros([1, 3, 128, 128])).Shape);
    }
}
