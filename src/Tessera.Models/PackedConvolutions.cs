using Tessera.Models.Layers;

namespace Tessera.Models;

/// <summary>The convolutions of a model that have one bit for inputs and weights, packed.</summary>
public static class PackedConvolutions
{
    /// <summary>
    /// Packs the weights of all convolutions that have one bit for inputs and weights (<see cref="BinaryConv2d.Pack"/>). The model
    /// evaluates as before, its weights take some 1/32 of the memory in files too, and it cannot be trained any more.
    /// </summary>
    /// <param name="model">The model.</param>
    /// <returns>How many convolutions are packed.</returns>
    public static int PackBinaryConvolutions(this Module model)
    {
        BinaryConv2d[] all = [.. Of(model).Select(one => one.Convolution).Where(convolution => convolution.IsBinary)];
        foreach (var convolution in all)
            convolution.Pack();
        return all.Length;
    }

    /// <summary>Sets whether evaluation may run on packed signs, as it does by default; the results are the same either way.</summary>
    /// <param name="model">The model.</param>
    /// <param name="use">False for the engine's convolutions of signs in float32.</param>
    public static void UsePackedKernels(this Module model, bool use)
    {
        foreach (var (_, convolution) in Of(model))
            convolution.UsesPackedKernels = use;
    }

    /// <summary>
    /// Prepares a model for weights of which some are packed, before
    /// <see cref="Module.LoadStateDict(IReadOnlyDictionary{string, Tensor}, bool)"/>. Bundles and
    /// <see cref="Model.Load(string, PretrainedOptions?, CancellationToken)"/> do so by themselves.
    /// </summary>
    /// <param name="model">The model.</param>
    /// <param name="state">The weights by the model's names.</param>
    public static void ExpectPacked(this Module model, IReadOnlyDictionary<string, Tensor> state)
    {
        foreach (var (name, convolution) in Of(model))
            if (
                convolution.IsBinary
                && state.TryGetValue(name.Length == 0 ? BinaryConv2d.PackedName : $"{name}.{BinaryConv2d.PackedName}", out var packed)
                && packed.Dim == 3
            )
                convolution.ExpectPacked(packed.Size(0));
    }

    /// <summary>Whether a tensor of a state dict holds packed weights.</summary>
    /// <param name="name">Its name.</param>
    public static bool IsPacked(string name) =>
        name == BinaryConv2d.PackedName || name.EndsWith($".{BinaryConv2d.PackedName}", StringComparison.Ordinal);

    private static IEnumerable<(string Name, BinaryConv2d Convolution)> Of(Module model) =>
        model.NamedModules().Where(one => one.Module is BinaryConv2d).Select(one => (one.Name, (BinaryConv2d)one.Module));
}
