using Tessera.Models;
using Tessera.Testing;

namespace Tessera.Tests.Models;

public class RegNetTests : LiveTensors
{
    [Theory]
    [InlineData("regnety_002", new[] { 1, 1, 4, 7 }, new[] { 24, 56, 152, 368 })]
    [InlineData("regnety_160", new[] { 2, 4, 11, 1 }, new[] { 224, 448, 1232, 3024 })]
    [InlineData("regnety_320", new[] { 2, 5, 12, 1 }, new[] { 232, 696, 1392, 3712 })]
    public void The_line_of_widths_makes_the_published_stages(string name, int[] depths, int[] widths)
    {
        using var skipped = Nn.Init.Skip();
        using var scope = Torch.Scope();
        var net = (RegNet)Registry.Create(name);
        Assert.Equal(depths, net.Options.Depths);
        Assert.Equal(widths, net.Options.Widths);
        foreach (var tensor in net.StateDict().Values)
            tensor.Dispose();
    }

    [Fact]
    public void The_names_are_those_of_the_teacher_s_file()
    {
        using var scope = Torch.Scope();
        var names = new RegNet(new RegNet.Config((32, 32), [1, 2], [16, 32], 8, 5)).StateDict().Keys;
        Assert.Equal("stem.conv.weight", names.First());
        foreach (
            var name in new[]
            {
                "s1.b1.conv1.conv.weight",
                "s1.b1.conv2.bn.running_var",
                "s1.b1.se.fc1.bias",
                "s2.b1.downsample.conv.weight",
                "s2.b2.conv3.bn.num_batches_tracked",
                "head.fc.weight",
            }
        )
            Assert.Contains(name, names);
        Assert.DoesNotContain("s2.b2.downsample.conv.weight", names);
    }

    [Fact]
    public void At_first_a_block_is_its_rectified_shortcut()
    {
        using var scope = Torch.Scope();
        var net = new RegNet(new RegNet.Config((32, 32), [1, 3], [16, 32], 8, 5));
        net.Eval();
        var blocks = net.ForwardIntermediates(Torch.Randn([1, 3, 32, 32]));
        Near.Identical(blocks[1], blocks[3]);
        Assert.True(blocks[1].Max().ToDouble() > 0);
    }

    [Fact]
    public void A_gate_scales_whole_channels()
    {
        using var scope = Torch.Scope();
        var gate = new Tessera.Models.Layers.SqueezeExcitation(6, 2, new Nn.Relu());
        var x = Torch.Rand([2, 6, 5, 4]) + 1;
        var ratio = gate.Call(x) / x;
        Assert.Equal(0, (ratio - ratio.Mean((2, 3), true)).Abs().Max().ToDouble(), 1e-6);
        Assert.InRange(ratio.Max().ToDouble(), 0, 1);
        // Another picture with the same means has the same gates.
        Near.Equal(ratio, gate.Call(x.Flip(3)).Flip(3) / x, 1e-5);
    }

    [Fact]
    public void Pyramid_and_classifier_have_their_shapes()
    {
        using var scope = Torch.Scope();
        var net = new RegNet(new RegNet.Config((64, 64), [1, 1, 1, 1], [16, 24, 32, 40], 8, 5));
        net.Eval();
        Assert.Equal(
            [(4, new Shape(1, 16, 16, 24)), (8, new Shape(1, 24, 8, 12)), (16, new Shape(1, 32, 4, 6)), (32, new Shape(1, 40, 2, 3))],
            net.ForwardFeatureMaps(Torch.Zeros([1, 3, 64, 96])).Select(m => (m.Stride, m.Map.Shape))
        );
        net.To(dtype: DType.Float64);
        net.ResetClassifier(9);
        Assert.Equal(new Shape(1, 9), net.Call(Torch.Zeros([1, 3, 64, 64], DType.Float64)).Shape);
    }

    [Fact]
    public void Widths_that_groups_do_not_divide_are_refused() =>
        Assert.Contains(
            "20",
            Assert.Throws<ArgumentException>(() => new RegNet(new RegNet.Config((32, 32), [1], [20], 8))).Message,
            StringComparison.Ordinal
        );
}
