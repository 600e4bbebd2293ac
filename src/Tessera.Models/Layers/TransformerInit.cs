using Tessera.Nn;

namespace Tessera.Models.Layers;

/// <summary>The initialisation that most transformers share.</summary>
public static class TransformerInit
{
    /// <summary>Weights of every linear map inside truncated normal with deviation 0.02, their biases zero.</summary>
    public static T Linears<T>(T module) where T : Module
    {
        foreach (var (_, found) in module.NamedModules())
        {
            if (found is not Linear linear) continue;
            Init.TruncatedNormal(linear.Weight, 0.02);
            if (linear.Bias is { } bias) Init.Zeros(bias);
        }
        return module;
    }
}
