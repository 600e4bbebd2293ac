namespace Tessera.Models.Measurement;

/// <summary>The cost of a model for one sample, counted while it runs.</summary>
/// <param name="Parameters">Number of learned values.</param>
/// <param name="Macs">Multiply-accumulates, including those of attention.</param>
/// <param name="AttentionMacs">Multiply-accumulates of the products of activations with each other.</param>
/// <param name="Activations">Elements that convolutions and matrix products put out.</param>
/// <param name="Input">Shape of the sample: channels, height and width, or the number of words.</param>
public sealed record ModelCost(long Parameters, long Macs, long AttentionMacs, long Activations, IReadOnlyList<long> Input)
{
    /// <summary>Counts a variant at its own size, without initialising its weights.</summary>
    public static ModelCost Count(Variant variant)
    {
        using var skip = Nn.Init.Skip();
        using var scope = new Scope();
        var model = variant.Create(new());
        var cost = Count(model);
        foreach (var tensor in model.StateDict().Values)
            tensor.Dispose();
        return cost;
    }

    /// <summary>
    /// Counts a model at its current size. It runs once in evaluation, and returns to training if it was there; the random numbers that it
    /// draws come after it all the same.
    /// </summary>
    public static ModelCost Count(Model model)
    {
        using var scope = new Scope();
        using var outside = Torch.NoGrad();
        var training = model.Training;
        model.Eval();
        var random = RandomState.Of(model.Parameters().First().Device);
        using var count = new OperationCount();
        model.Call(model.ExampleInput());
        random.Restore();
        model.Train(training);
        return new(model.Parameters().Sum(p => p.Elements), count.Macs, count.AttentionMacs, count.Activations, model.InputShape);
    }
}
