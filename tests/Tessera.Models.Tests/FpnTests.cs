using Tessera.Models;
using Tessera.Models.Layers;
using Tessera.Testing;

namespace Tessera.Tests.Models;

public class FpnTests : LiveTensors
{
    private static readonly Fpn.Config small = new([4, 6, 8, 10], 8);

    private static Tensor[] Maps(params (int Channels, int Height, int Width)[] sizes) =>
        [.. sizes.Select(size => Torch.Randn([2, size.Channels, size.Height, size.Width]))];

    [Fact]
    public void An_image_of_800_x_1344_has_the_levels_of_a_detector()
    {
        using var scope = Torch.Scope();
        var fpn = new Fpn(small with { Inputs = [1, 1, 1, 1], Width = 1 });
        var levels = fpn.Call(Maps((1, 200, 336), (1, 100, 168), (1, 50, 84), (1, 25, 42)));
        Assert.Equal([(200, 336), (100, 168), (50, 84), (25, 42), (13, 21)], levels.Select(level => (level.Size(2), level.Size(3))));
    }

    [Fact]
    public void The_fifth_level_without_convolutions_is_every_second_position_of_the_fourth()
    {
        using var scope = Torch.Scope();
        var levels = new Fpn(small).Call(Maps((4, 15, 13), (6, 8, 7), (8, 4, 4), (10, 3, 2)));
        Near.Identical(levels[3].Slice(2, 0, null, 2).Slice(3, 0, null, 2).Contiguous(), levels[4].Contiguous());
    }

    [Fact]
    public void Sizes_that_cannot_be_are_refused_by_name()
    {
        using var scope = Torch.Scope();
        Assert.Contains(
            "at least 4",
            Assert.Throws<ArgumentException>(() => new Fpn(small with { Outputs = 3 })).Message,
            StringComparison.Ordinal
        );
        Assert.Contains(
            "start level 4",
            Assert.Throws<ArgumentException>(() => new Fpn(small with { StartLevel = 4 })).Message,
            StringComparison.Ordinal
        );
        var refusal = Assert.Throws<ShapeException>(() => new Fpn(small).Call(Maps((4, 8, 8))));
        Assert.Contains("takes 4 maps, not 1", refusal.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("", false)]
    [InlineData("neck.", false)]
    [InlineData("backbone.fpn.", true)]
    public void A_detector_of_every_origin_holds_the_same_pyramid(string prefix, bool torchvision)
    {
        using var scope = Torch.Scope();
        var config = small with { StartLevel = 1, Extra = FpnExtra.OnOutput, ReluBeforeExtra = true };
        var (source, target) = (new Fpn(config), new Fpn(config));
        foreach (var indexed in torchvision ? new[] { true, false } : [true])
        {
            OrderedDictionary<string, Tensor> state = new(
                source
                    .StateDict()
                    .Select(entry => KeyValuePair.Create(prefix + (torchvision ? Theirs(entry.Key, indexed) : entry.Key), entry.Value))
            );
            state["rpn_head.rpn_conv.weight"] = Torch.Zeros([1]);
            if (prefix.Length > 0)
                state["backbone.conv1.weight"] = Torch.Zeros([1]);
            else
                state.Remove("rpn_head.rpn_conv.weight");
            using (Torch.NoGrad())
                foreach (var parameter in target.Parameters())
                    parameter.Fill_(0);
            target.LoadPretrained(state);
            foreach (var (name, value) in source.StateDict())
                Near.Identical(value, target.StateDict()[name]);
        }
    }

    // torchvision's names, with an index of the convolution since version 0.14.
    private static string Theirs(string name, bool indexed)
    {
        var parts = name.Split('.'); // lateral_convs.0.conv.weight
        if (parts[0] == "lateral_convs")
            return $"inner_blocks.{parts[1]}{(indexed ? ".0" : "")}.{parts[3]}";
        return parts[1] switch
        {
            "3" => $"extra_blocks.p6.{parts[3]}",
            "4" => $"extra_blocks.p7.{parts[3]}",
            var level => $"layer_blocks.{level}{(indexed ? ".0" : "")}.{parts[3]}",
        };
    }

    [Fact]
    public void A_norm_takes_the_place_of_the_bias()
    {
        using var scope = Torch.Scope();
        var names = new Fpn(small with { Norm = ConvNorm.Batch }).StateDict().Keys;
        Assert.Contains("fpn_convs.3.bn.running_var", names);
        Assert.DoesNotContain("fpn_convs.3.conv.bias", names);
        Assert.Contains("lateral_convs.0.gn.weight", new Fpn(small with { Width = 32, Norm = ConvNorm.Group }).StateDict().Keys);
    }
}
