using Tessera.Models;
using Tessera.Models.Layers;
using Tessera.Testing;

namespace Tessera.Tests.Models;

public class VtTests
{
    private static readonly VtResNet.Config Small = new((64, 64), [1, 1, 1, 2], false, 5, Tokens: 4, TokenChannels: 32);

    [Fact]
    public void Every_attention_sums_to_one_along_its_own_axis()
    {
        using var scope = Torch.Scope();
        Torch.Seed(1);
        var model = new VtResNet(Small);
        model.Eval();
        var maps = model.AttentionMaps(Torch.Randn([2, 3, 64, 96]));
        Assert.Equal(
            [
                "vt.0.tokenizer.attention",
                "vt.0.transformer.attention",
                "vt.0.projector.attention",
                "vt.1.tokenizer.attention",
                "vt.1.transformer.attention",
            ],
            maps.Keys
        );
        Assert.Equal(new Shape(2, 1, 4, 24), maps["vt.0.tokenizer.attention"].Shape); // tokens over pixels
        Assert.Equal(new Shape(2, 1, 24, 4), maps["vt.0.projector.attention"].Shape); // pixels over tokens
        Assert.All(maps.Values, weights => Near.Equal(weights.Sum(-1).OnesLike(), weights.Sum(-1), 1e-5));
    }

    [Fact]
    public void Pixels_in_another_order_give_the_same_tokens()
    {
        using var scope = Torch.Scope();
        Torch.Seed(2);
        var modules = VisualTokenModule.Row(new VisualTokenSizes(24, 4, 32), 2);
        var pixels = Torch.Randn([1, 9, 24]);
        Tensor Run(Tensor x)
        {
            var first = modules[0].Call((x, null));
            return modules[1].Call((first.Pixels, first.Tokens)).Tokens;
        }

        Near.Equal(Run(pixels), Run(pixels.Flip(1)), 1e-5);
    }

    [Fact]
    public void Maps_blocks_heads_and_sizes_answer_as_all_models_do()
    {
        using var scope = Torch.Scope();
        var model = new VtResNet(Small);
        model.Eval();
        var image = Torch.Randn([2, 3, 64, 96]);
        Assert.Equal([4, 8, 16], model.ForwardFeatureMaps(image).Select(m => m.Stride));
        Assert.Equal(new Shape(2, 256, 4, 6), model.ForwardFeatureMaps(image)[2].Map.Shape);
        Assert.Equal(new Shape(2, 4, 32), model.ForwardIntermediates(image, indices: -1)[0].Shape);
        model.ResetClassifier(3);
        Assert.Equal(new Shape(2, 3), model.Call(image).Shape);
    }

    [Fact]
    public void Weights_of_a_ResNet_load_up_to_the_third_stage()
    {
        using var scope = Torch.Scope();
        var source = new ResNet(new((64, 64), [1, 1, 1, 1], false, 5));
        var target = new VtResNet(Small with { Classes = 0 });
        var report = target.LoadStateDict(source.StateDict(), strict: false);
        Assert.All(report.Missing, name => Assert.StartsWith("vt.", name, StringComparison.Ordinal));
        Assert.All(report.Unexpected, name =>
            Assert.True(name.StartsWith("layer4.", StringComparison.Ordinal) || name.StartsWith("fc.", StringComparison.Ordinal))
        );
    }

    [Fact]
    public void The_segmentation_network_gives_logits_at_the_size_of_the_image_whatever_it_is()
    {
        using var scope = Torch.Scope();
        var model = new VtFpn(new ResNet(new((64, 64), [1, 1, 1, 1], false)), new(32, 32, 4, 32, 8), classes: 3);
        model.Eval();
        Assert.Equal(new Shape(1, 3, 64, 96), model.Call(Torch.Randn([1, 3, 64, 96])).Shape);
        Assert.Equal(new Shape(1, 3, 72, 90), model.Call(Torch.Randn([1, 3, 72, 90])).Shape);
    }

    [Fact]
    public void Tokens_cost_a_quarter_of_convolutions_in_the_pyramid_at_most()
    {
        using var scope = Torch.Scope();
        using var inference = Torch.Inference();
        using var skipped = Nn.Init.Skip();
        var sizes = new VisualTokenSizes(256, 8, 1024, PoolFirst: true);
        int[] sides = [64, 32, 16, 8];
        using var count = new OperationCount();
        Tensor[] pixels = [.. sides.Select(side => Torch.Zeros([1, side * side, 256]))];
        var tokens = new VisualTransformer(sizes).Call(
            Torch.Cat([.. pixels.Select(p => new VisualTokenizer(sizes, false).Call((p, null)))], 1)
        );
        foreach (var level in pixels)
            new VisualProjector(sizes).Call((level, tokens.Slice(1, 0, 8)));
        Assert.InRange(count.Macs, 1, sides.Sum(side => (long)side * side) * 9 * 256 * 256 / 4);
    }

    [Fact]
    public void Pooling_before_the_map_of_values_gives_the_same_tokens()
    {
        using var scope = Torch.Scope();
        Torch.Seed(3);
        var sizes = new VisualTokenSizes(24, 4, 32);
        var (before, after) = (new VisualTokenizer(sizes, false), new VisualTokenizer(sizes with { PoolFirst = true }, false));
        after.LoadStateDict(before.StateDict());
        var pixels = Torch.Randn([2, 9, 24]);
        Near.Equal(before.Call((pixels, null)), after.Call((pixels, null)), 1e-5);
    }
}
