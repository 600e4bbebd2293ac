using Tessera.Models;

namespace Tessera.Tests.Models;

public class PvtTests
{
    private static readonly Pvt.Config First = new((64, 96), [8, 16, 16, 32], [1, 1, 1, 2], [1, 2, 2, 4], [2, 2, 2, 2], [8, 4, 2, 1], 5);
    private static readonly PvtV2.Config Second = new(
        (64, 96),
        [8, 16, 16, 32],
        [1, 1, 1, 2],
        [1, 2, 2, 4],
        [2, 2, 2, 2],
        [8, 4, 2, 1],
        Classes: 5
    );

    [Fact]
    public void A_class_token_stands_before_the_last_stage_alone()
    {
        using var scope = Torch.Scope();
        var pvt = new Pvt(First);
        Assert.Equal([0, 0, 0, 1, 1], pvt.BlockPaths.Select(pvt.NumPrefixTokensAt));
        Assert.Equal([384, 96, 24, 7, 7], pvt.ForwardIntermediates(Torch.Zeros([1, 3, 64, 96])).Select(block => block.Size(1)));
        Assert.Equal(
            [384, 96, 24, 6, 6],
            pvt.ForwardIntermediates(Torch.Zeros([1, 3, 64, 96]), prefixTokens: false).Select(block => block.Size(1))
        );
    }

    [Fact]
    public void Positions_resampled_once_are_those_resampled_while_running()
    {
        using var scope = Torch.Scope();
        var pvt = new Pvt(First with { ImageSize = (64, 64) });
        pvt.Eval();
        // Twice the side: there the authors' code takes the second stage for the first.
        var image = Torch.Randn([1, 3, 128, 128]);
        var running = pvt.Call(image);
        pvt.Resize(128, 128);
        Assert.True(pvt.Call(image).Allclose(running, 1e-4, 1e-5));
        Assert.Equal(new Shape(1, 17, 32), pvt.StateDict()["pos_embed4"].Shape);
    }

    [Fact]
    public void Only_the_class_token_does_not_decay()
    {
        using var scope = Torch.Scope();
        var pvt = new Pvt(First);
        Assert.Equal(["cls_token"], pvt.NamedParameters().Select(p => p.Name).Where(pvt.NoWeightDecay));
    }

    [Fact]
    public void A_dense_model_takes_the_weights_of_a_classifier()
    {
        using var scope = Torch.Scope();
        var (classifier, dense) = (new Pvt(First), new Pvt(First with { Dense = true, Classes = 0 }));
        var state = new Dictionary<string, Tensor>(classifier.StateDict());
        dense.AdaptStateDict(state);
        Assert.True(dense.LoadStateDict(state).Complete);
        classifier.Eval();
        dense.Eval();
        var image = Torch.Randn([1, 3, 64, 96]);
        Assert.True(dense.ForwardFeatureMaps(image)[2].Map.Allclose(classifier.ForwardFeatureMaps(image)[2].Map, 1e-4, 1e-5));
        Assert.Equal(new Shape(1, 32, 2, 3), dense.ForwardFeatureMaps(image)[3].Map.Shape);
        Assert.Equal(0, dense.NumPrefixTokens);
    }

    [Fact]
    public void An_image_smaller_than_a_token_is_refused()
    {
        using var scope = Torch.Scope();
        Assert.Contains("smaller", Assert.Throws<ShapeException>(() => new Pvt(First).Resize(16, 16)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Maps_of_any_size_run_and_round_up()
    {
        using var scope = Torch.Scope();
        var maps = new PvtV2(Second).ForwardFeatureMaps(Torch.Zeros([1, 3, 67, 45]));
        Assert.Equal([(17, 12), (9, 6), (5, 3), (3, 2)], maps.Select(map => ((int)map.Map.Size(2), (int)map.Map.Size(3))));
    }

    [Fact]
    public void Both_encoders_have_the_same_weights_under_the_same_names()
    {
        using var scope = Torch.Scope();
        var (mit, pvt) = (new Mit(Second), new PvtV2(Second));
        Assert.NotEqual(pvt.StateDict().Keys, mit.StateDict().Keys);
        mit.LoadStateDict(pvt.StateDict());
        var image = Torch.Randn([1, 3, 64, 96]);
        Assert.True(mit.Call(image).Allclose(pvt.Call(image), 1e-5, 1e-6));
    }

    [Fact]
    public void An_encoder_leaves_a_file_s_classifier_out()
    {
        using var scope = Torch.Scope();
        var state = new Dictionary<string, Tensor>(new Mit(Second).StateDict());
        var encoder = new Mit(Second with { Classes = 0 });
        encoder.AdaptStateDict(state);
        Assert.True(encoder.LoadStateDict(state).Complete);
    }
}
