using Tessera.Models;

namespace Tessera.Cli;

/// <summary>What a model costs, counted while it runs on one sample.</summary>
/// <param name="Parameters">Numbers that are learned.</param>
/// <param name="Macs">Multiply-accumulates, those of attention included.</param>
/// <param name="AttentionMacs">Those of products of activations with each other.</param>
/// <param name="Activations">Elements that convolutions and products put out.</param>
/// <param name="Input">Shape of the sample: channels, height and width, or words.</param>
internal sealed record ModelCost(long Parameters, long Macs, long AttentionMacs, long Activations, IReadOnlyList<long> Input)
{
    internal static ModelCost Count(Variant variant)
    {
        using var skip = Nn.Init.Skip();
        using var scope = new Scope();
        var model = variant.Create(new());
        var cost = Count(model);
        foreach (var tensor in model.StateDict().Values)
            tensor.Dispose();
        return cost;
    }

    internal static ModelCost Count(Backbone model)
    {
        using var scope = new Scope();
        using var outside = Torch.NoGrad();
        var (height, width) = model.ImageSize;
        long[] input = model is TextCct ? [height] : [model.Channels, height, width];
        var type = model is TextCct ? DType.Int64 : DType.Float32;
        var training = model.Training;
        model.Eval();
        using var count = new OperationCount();
        model.Call(Torch.Zeros(new IntList([1, .. input]), type).To(model.Parameters().First().Device));
        model.Train(training);
        return new(model.Parameters().Sum(p => p.Elements), count.Macs, count.AttentionMacs, count.Activations, input);
    }
}
