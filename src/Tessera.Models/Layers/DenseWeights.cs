namespace Tessera.Models.Layers;

/// <summary>Weights of a classifier for the dense form of the same architecture.</summary>
internal static class DenseWeights
{
    /// <summary>
    /// Leaves out the final norm, class token and classifier that the dense form lacks, and lets its stage norms, which a
    /// classifier's file cannot hold, keep their values. Files of dense models stay as they are.
    /// </summary>
    internal static void FromClassifier(Module dense, IDictionary<string, Tensor> state)
    {
        if (!state.ContainsKey("norm.weight"))
            return;
        var own = dense.StateDict();
        foreach (var name in new[] { "norm.weight", "norm.bias", "head.weight", "head.bias", "cls_token" })
            if (!own.ContainsKey(name))
                state.Remove(name);
        foreach (var (name, value) in own)
            if (IsStageNorm(name))
                state.TryAdd(name, value);
    }

    // norm0.weight, norm4.bias, ...
    private static bool IsStageNorm(string name) =>
        name.StartsWith("norm", StringComparison.Ordinal) && name.Length > 4 && char.IsAsciiDigit(name[4]);
}
