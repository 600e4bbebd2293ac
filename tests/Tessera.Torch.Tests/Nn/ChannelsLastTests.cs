using Tessera.Nn;
using Tessera.Testing;

namespace Tessera.Tests.Nn;

public sealed partial class ChannelsLastTests : LiveTensors
{
    private sealed partial class Net : Layer
    {
        private readonly Conv2d conv1 = new(3, 8, 3, padding: 1);
        private readonly BatchNorm bn1 = new(8);
        private readonly Conv2d depthwise = new(8, 8, 3, padding: 1, groups: 8);
        private readonly ConvTranspose2d up = new(8, 6, 2, 2);
        private readonly Linear fc = new(6, 2);

        protected override Tensor Forward(Tensor input) =>
            fc.Call(up.Call(depthwise.Call(bn1.Call(conv1.Call(input)).Relu())).Mean([2, 3]));
    }

    [Fact]
    public void Another_order_of_dimensions_changes_neither_results_nor_gradients()
    {
        using var scope = new Scope();
        var (plain, last) = (new Net(), new Net());
        last.LoadStateDict(plain.StateDict());
        var bias = last.Parameters().First(p => p.Dim == 1);
        last.To(MemoryFormat.ChannelsLast);
        // [8, 3, 3, 3]: a step of one goes to the next channel.
        Assert.Equal([27, 1, 9, 3], last.Parameters().First(p => p.Dim == 4).Strides);
        Assert.True(bias.IsContiguous);
        var input = Torch.Randn([4, 3, 6, 6]);
        foreach (var (net, x) in new[] { (plain, input), (last, input.Contiguous(MemoryFormat.ChannelsLast)) })
            net.Call(x).Pow(2).Sum().Backward();
        Near.Equal(plain.Call(input), last.Call(input), 1e-5);
        foreach (var ((name, expected), (_, actual)) in plain.NamedParameters().Zip(last.NamedParameters()))
        {
            Assert.True(actual.Grad is not null, name);
            Near.Equal(expected.Grad!, actual.Grad!, 1e-4);
        }
        foreach (var (name, value) in plain.StateDict())
            Near.Equal(value, last.StateDict()[name], 1e-6);
        last.To(MemoryFormat.Contiguous);
        Assert.All(last.Parameters(), p => Assert.True(p.IsContiguous));
    }
}
