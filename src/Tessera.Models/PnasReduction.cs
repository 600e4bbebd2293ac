using Tessera.Models.Layers;
using Tessera.Nn;

namespace Tessera.Models;

/// <summary>Half of a map's size: ReLU, every second position, and those one row and column further, side by side, a norm.</summary>
internal sealed class PnasReduction(int inputs, int outputs, BatchNorm norm, (string First, string Second, string Norm) names) : Layer
{
    private readonly Conv2d first = new(inputs, outputs / 2, 1, 2, bias: false),
        second = new(inputs, outputs - outputs / 2, 1, 2, bias: false);

    protected override void ListMembers(Members members)
    {
        members.Add(names.First, first);
        members.Add(names.Second, second);
        members.Add(names.Norm, norm);
    }

    protected override Tensor Forward(Tensor input)
    {
        var x = input.Relu();
        var shifted = x.Slice(2, 1).Slice(3, 1).ConstantPadNd([0, 1, 0, 1]);
        return norm.Call(Torch.Cat([first.Call(x), second.Call(shifted)], 1));
    }
}
