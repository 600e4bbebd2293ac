using Tessera.Models;
using Tessera.Testing;

namespace Tessera.Tests.Models;

public class NfNetTests : LiveTensors
{
    private static readonly NfNet.Config Small = new(
        (64, 64),
        [1, 2, 1, 1],
        [16, 32, 48, 48],
        5,
        StemWidth: 16,
        GroupWidth: 8,
        Dropout: 0,
        DropPath: 0
    );

    [Fact]
    public void At_first_every_residual_branch_is_closed()
    {
        using var scope = Torch.Scope();
        var net = new NfNet(Small);
        net.Eval();
        var blocks = net.ForwardIntermediates(Torch.Randn([1, 3, 64, 64]));
        Near.Identical(blocks[1], blocks[2]);
    }

    [Fact]
    public void Only_the_gain_says_how_large_a_convolution_s_weights_are()
    {
        using var scope = Torch.Scope();
        var net = new NfNet(Small with { Eps = 0 });
        net.To(dtype: DType.Float64);
        net.Eval();
        var image = Torch.Randn([1, 3, 64, 64]).To(DType.Float64);
        var before = net.ForwardFeatures(image);
        using (Torch.NoGrad())
            net.StateDict()["stem.conv2.weight"].Mul_(3).Add_(0.7);
        Near.Equal(before, net.ForwardFeatures(image), 1e-9);
        using (Torch.NoGrad())
            net.StateDict()["stem.conv2.gain"].Mul_(3);
        Assert.False(before.Allclose(net.ForwardFeatures(image), 1e-3, 1e-3));
    }

    [Fact]
    public void Gains_and_biases_do_not_decay()
    {
        using var scope = Torch.Scope();
        var net = new NfNet(Small);
        Assert.True(net.NoWeightDecay("stages.0.0.conv1.gain"));
        Assert.True(net.NoWeightDecay("stages.0.0.skipinit_gain"));
        Assert.False(net.NoWeightDecay("stages.0.0.conv1.weight"));
    }

    [Fact]
    public void Pyramid_and_classifier_have_their_shapes()
    {
        using var scope = Torch.Scope();
        var net = new NfNet(Small);
        net.Eval();
        var image = Torch.Zeros([1, 3, 64, 96]);
        Assert.Equal(
            [(4, new Shape(1, 16, 16, 24)), (8, new Shape(1, 32, 8, 12)), (16, new Shape(1, 48, 4, 6)), (32, new Shape(1, 96, 2, 3))],
            net.ForwardFeatureMaps(image).Select(m => (m.Stride, m.Map.Shape))
        );
        net.To(dtype: DType.Float64);
        net.ResetClassifier(9);
        Assert.Equal(new Shape(1, 9), net.Call(image.To(DType.Float64)).Shape);
    }

    [Fact]
    public void Widths_that_groups_do_not_divide_are_refused() =>
        Assert.Contains(
            "24",
            Assert.Throws<ArgumentException>(() => new NfNet(Small with { Widths = [16, 24, 48, 48] })).Message,
            StringComparison.Ordinal
        );
}
