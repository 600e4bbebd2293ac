using Tessera.Models;
using Tessera.Nn;

namespace Tessera.Tests.Models;

public class ResNetTests
{
    [Fact]
    public void The_longest_published_network_has_as_many_parameters_as_published()
    {
        using var skipped = Init.Skip();
        using var scope = Torch.Scope();
        Assert.Equal(19.4, new CifarResNet(new CifarResNet.Config(200, (32, 32))).ParameterCount / 1e6, 0.05);
    }

    [Fact]
    public void With_zero_residuals_a_deeper_network_computes_the_same()
    {
        using var scope = Torch.Scope();
        var config = new ResNet.Config((32, 32), [1, 1, 1, 1], false, 5, ZeroInitResidual: true);
        var shallow = new ResNet(config);
        var deep = new ResNet(config with { Layers = [3, 2, 2, 2] });
        deep.LoadStateDict(shallow.StateDict(), strict: false);
        shallow.Eval();
        deep.Eval();
        var image = Torch.Randn([1, 3, 32, 32]);
        Assert.True(deep.Call(image).Allclose(shallow.Call(image), 1e-4, 1e-5));
    }

    [Fact]
    public void A_shortcut_without_weights_takes_every_second_pixel_and_adds_channels_on_both_sides()
    {
        using var scope = Torch.Scope();
        var net = new CifarResNet(new CifarResNet.Config(1, (8, 8), Classes: 3));
        net.Eval();
        // A block without residual is its shortcut, rectified.
        using (Torch.NoGrad())
            net.StateDict()["layer2.0.bn2.weight"].Zero_();
        var maps = net.ForwardFeatureMaps(Torch.Randn([1, 3, 8, 8]));
        var (before, after) = (maps[0].Map, maps[1].Map);
        Assert.Equal(0, after.Slice(1, 0, 8).Abs().Max().ToDouble());
        Assert.Equal(0, after.Slice(1, 24).Abs().Max().ToDouble());
        Assert.True(after.Slice(1, 8, 24).Equal(before.Slice(2, step: 2).Slice(3, step: 2)));
    }
}
