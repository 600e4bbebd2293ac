using Tessera.Models;

namespace Tessera.Tests.Models;

/// <summary>The questions of <see cref="Backbone"/> asked of one model: do the answers fit each other?</summary>
internal static class Seam
{
    /// <summary>Checks features, blocks, pyramid, attention, gradients, classifiers and the state dict of a model of one image size.</summary>
    /// <param name="model">The model, in float32.</param>
    /// <param name="strides">Of its pyramid.</param>
    /// <param name="attention">Whether it has attention.</param>
    /// <param name="dense">Whether norms of earlier stages serve the pyramid alone.</param>
    public static void Holds(Backbone model, int[] strides, bool attention, bool dense = false)
    {
        using var scope = Torch.Scope();
        var (height, width) = model.ImageSize;
        var image = Torch.Randn([2, model.Channels, height, width]);
        if (!dense) EveryParameterLearns(model, image);

        model.Eval();
        var logits = model.Call(image);
        Assert.Equal(new Shape(2, model.Classes), logits.Shape);
        var pooled = model.ForwardPooled(image);
        Assert.Equal(new Shape(2, model.FeatureWidth), pooled.Shape);
        Assert.True(model.ForwardHead(pooled).Allclose(logits, 1e-4, 1e-5));

        var blocks = model.Blocks(image);
        Assert.Equal(model.BlockPaths.Count, blocks.Count);
        Assert.All(blocks.Zip(model.Blocks(image, prefix: false), model.BlockPaths), pair =>
        {
            if (pair.First.Dim == 3) Assert.Equal(pair.First.Size(1) - model.PrefixTokensAt(pair.Third), pair.Second.Size(1));
        });

        var maps = model.Pyramid(image);
        Assert.Equal(strides, maps.Select(map => map.Stride));
        Assert.All(maps, map => Assert.Equal((height / map.Stride, width / map.Stride), ((int)map.Map.Size(2), (int)map.Map.Size(3))));

        var weights = model.AttentionMaps(image);
        Assert.Equal(attention, weights.Count > 0);
        Assert.All(weights.Values, w => Assert.True(w.Sum(-1).Sub(1).Abs().Max().ToDouble() < 1e-5));

        var state = model.StateDict();
        Assert.All(model.ClassifierNames, name => Assert.Contains(name, state.Keys));
        var adapted = new Dictionary<string, Tensor>(state);
        model.AdaptStateDict(adapted);
        Assert.True(model.LoadStateDict(adapted).Complete);

        model.ResetClassifier(model.Classes + 1);
        Assert.Equal(new Shape(2, model.Classes), model.Call(image).Shape);
        model.ResetClassifier(0);
        Assert.Equal(new Shape(2, model.FeatureWidth), model.Call(image).Shape);
    }

    private static void EveryParameterLearns(Backbone model, Tensor image)
    {
        model.Train();
        model.Run(new(image)).Logits.Square().Sum().Backward();
        Assert.All(model.NamedParameters(), p => Assert.True(!p.Parameter.RequiresGrad || p.Parameter.Grad is { } gradient && gradient.Isfinite().All().ToDouble() == 1, $"no gradient for {p.Name}"));
        model.ZeroGrad();
        // Mixed precision: the same, in bfloat16 where that is allowed.
        using var mixed = Torch.Autocast();
        var loss = model.Run(new(image)).Logits.To(DType.Float32).Square().Sum();
        loss.Backward();
        Assert.True(double.IsFinite(loss.ToDouble()));
        model.ZeroGrad();
    }
}
