using Tessera.Models;
using Tessera.Testing;

namespace Tessera.Tests.Models;

public class PitTests : LiveTensors
{
    private static readonly Pit.Config Small = new((40, 56), 8, 4, 8, [1, 2, 1], [2, 4, 8], 5);

    [Fact]
    public void Features_pyramid_and_attention_have_their_shapes()
    {
        using var scope = Torch.Scope();
        var model = new Pit(Small);
        model.Eval();
        var image = Torch.Randn([2, 3, 40, 56]); // 9 x 13 patches, then 5 x 7 and 3 x 4
        Assert.Equal(new Shape(2, 13, 64), model.ForwardFeatures(image).Shape);
        Assert.Equal(
            [(4, new Shape(2, 16, 9, 13)), (8, new Shape(2, 32, 5, 7)), (16, new Shape(2, 64, 3, 4))],
            model.ForwardFeatureMaps(image).Select(m => (m.Stride, m.Map.Shape))
        );
        Assert.Equal([118, 36, 36, 13], model.ForwardIntermediates(image).Select(b => b.Size(1)));
        Assert.Equal([117, 35, 35, 12], model.ForwardIntermediates(image, prefixTokens: false).Select(b => b.Size(1)));
        var attention = model.AttentionMaps(image);
        Assert.Equal(
            [
                "transformers.0.blocks.0.attn.attention",
                "transformers.1.blocks.0.attn.attention",
                "transformers.1.blocks.1.attn.attention",
                "transformers.2.blocks.0.attn.attention",
            ],
            attention.Keys
        );
        Assert.All(attention.Values, weights => Assert.True(weights.Sum(-1).Allclose(Torch.Ones([1]))));
    }

    [Fact]
    public void A_distilled_model_trains_two_heads_and_predicts_their_mean()
    {
        using var scope = Torch.Scope();
        var model = new Pit(Small with { Distilled = true });
        var image = Torch.Randn([2, 3, 40, 56]);
        var outputs = model.Run(new(image));
        model.Eval();
        Near.Equal((outputs.Logits + outputs.Named[Outputs.Distillation]) / 2, model.Call(image), 1e-5);
        Assert.Equal(2, model.NumPrefixTokens);
        model.ResetClassifier(7);
        Assert.Equal(new Shape(2, 7), model.Call(image).Shape);
        Assert.Empty(model.Run(new(image)).Named);
    }

    [Theory]
    [InlineData("pools.{0}.", 0)]
    [InlineData("transformers.{0}.pool.", 1)]
    public void Other_names_of_the_pooling_load(string theirs, int shift)
    {
        using var scope = Torch.Scope();
        var config = Small;
        var source = new Pit(config);
        var state = new OrderedDictionary<string, Tensor>();
        foreach (var (name, value) in source.StateDict())
        {
            var parts = name.Split('.', 4);
            state[
                parts.Length == 4 && parts[2] == "pool"
                    ? string.Format(
                        System.Globalization.CultureInfo.InvariantCulture,
                        theirs,
                        int.Parse(parts[1], System.Globalization.CultureInfo.InvariantCulture) + shift
                    ) + parts[3]
                    : name
            ] = value;
        }
        Assert.NotEqual(source.StateDict().Keys, state.Keys);
        var target = new Pit(config);
        target.Load(state);
        Assert.All(source.StateDict(), e => Assert.True(target.StateDict()[e.Key].Equal(e.Value), e.Key));
    }

    [Fact]
    public void Positions_of_another_grid_are_resampled_when_they_are_loaded()
    {
        using var scope = Torch.Scope();
        var config = Small;
        var (small, large) = (new Pit(config), new Pit(config with { ImageSize = (56, 64) }));
        large.Load(new OrderedDictionary<string, Tensor>(small.StateDict()));
        small.Resize(56, 64);
        small.Eval();
        large.Eval();
        var image = Torch.Randn([1, 3, 56, 64]);
        Near.Identical(small.Call(image), large.Call(image));
    }

    [Fact]
    public void An_image_smaller_than_a_patch_is_refused()
    {
        using var scope = Torch.Scope();
        var model = new Pit(Small);
        Assert.Contains("8 x 8", Assert.Throws<ShapeException>(() => model.Resize(7, 56)).Message, StringComparison.Ordinal);
        Assert.Equal((40, 56), model.ImageSize);
    }
}
