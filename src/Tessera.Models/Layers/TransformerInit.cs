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

    /// <summary>Weights of every convolution inside normal with variance 2 / (k k outputs / groups), their biases zero: PVT v2 and MiT.</summary>
    public static T Convolutions<T>(T module) where T : Module
    {
        foreach (var (_, found) in module.NamedModules())
        {
            if (found is not Conv2d conv) continue;
            var (outputs, perGroup) = (conv.Weight.Size(0), conv.Weight.Size(1));
            var kernel = conv.Weight.Elements / (outputs * perGroup);
            Init.Normal(conv.Weight, Math.Sqrt(2.0 / (kernel * outputs / conv.Groups)));
            if (conv.Bias is { } bias) Init.Zeros(bias);
        }
        return module;
    }
}
