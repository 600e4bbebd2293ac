using Tessera.Models;
using Tessera.Nn;

namespace Tessera.Tests.Models;

/// <summary>What models of the registry cost.</summary>
internal static class Operations
{
    /// <summary>Multiply-accumulates for an image of 224 x 224.</summary>
    internal static double Macs(string name)
    {
        using var scope = Torch.Scope();
        using var skipped = Init.Skip();
        using var inference = Torch.Inference();
        var model = Registry.Create(name);
        model.Eval();
        using var count = new OperationCount();
        model.Call(Torch.Zeros([1, 3, 224, 224]));
        return count.Macs;
    }
}
