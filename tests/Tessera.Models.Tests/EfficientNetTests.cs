using Tessera.Models;
using Tessera.Testing;

namespace Tessera.Tests.Models;

public class EfficientNetTests : LiveTensors
{
    private static readonly EfficientNet.Config Small = new((64, 64), 0.25, 0.5, 5);

    [Fact]
    public void Widths_are_multiples_of_eight_and_lose_no_more_than_a_tenth()
    {
        foreach (var factor in new[] { 0.3, 1.1, 1.2, 1.4, 2.6 })
        foreach (var channels in new[] { 16, 24, 40, 112, 320 })
        {
            var width = (Small with { WidthFactor = factor }).Width(channels);
            Assert.Equal(0, width % 8);
            Assert.InRange(width, 0.9 * factor * channels, Math.Max(8, 1.5 * factor * channels));
        }
    }

    [Theory]
    [InlineData("efficientnet_b0", 16)]
    [InlineData("efficientnet_b2", 23)]
    [InlineData("efficientnet_b7", 55)]
    public void Depth_grows_with_its_factor(string name, int blocks)
    {
        using var skipped = Nn.Init.Skip();
        using var scope = Torch.Scope();
        var net = Registry.Create(name);
        Assert.Equal(blocks, net.BlockPaths.Count);
        foreach (var tensor in net.StateDict().Values)
            tensor.Dispose();
    }

    [Fact]
    public void Pyramid_and_classifier_have_their_shapes()
    {
        using var scope = Torch.Scope();
        var net = new EfficientNet(Small);
        net.Eval();
        var image = Torch.Zeros([1, 3, 64, 96]);
        Assert.Equal(
            [(4, new Shape(1, 8, 16, 24)), (8, new Shape(1, 16, 8, 12)), (16, new Shape(1, 32, 4, 6)), (32, new Shape(1, 320, 2, 3))],
            net.ForwardFeatureMaps(image).Select(m => (m.Stride, m.Map.Shape))
        );
        Near.Identical(net.ForwardFeatures(image), net.ForwardFeatureMaps(image)[^1].Map);
        net.To(dtype: DType.Float64);
        net.ResetClassifier(9);
        Assert.Equal(new Shape(1, 9), net.Call(image.To(DType.Float64)).Shape);
    }

    [Fact]
    public void A_new_classifier_of_a_model_in_evaluation_drops_nothing()
    {
        using var scope = Torch.Scope();
        var net = new EfficientNet(Small with { Dropout = 0.9 });
        net.Eval();
        net.ResetClassifier(4);
        var image = Torch.Randn([1, 3, 64, 64]);
        Near.Identical(net.Call(image), net.Call(image));
    }

    [Fact]
    public void The_last_convolution_counts_as_head()
    {
        using var scope = Torch.Scope();
        var net = new EfficientNet(Small);
        Assert.True(net.BelongsToHead("features.8.0.weight"));
        Assert.True(net.BelongsToHead("classifier.1.weight"));
        Assert.False(net.BelongsToHead("features.7.0.block.0.0.weight"));
    }
}
