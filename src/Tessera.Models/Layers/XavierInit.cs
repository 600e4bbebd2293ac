using Tessera.Nn;

namespace Tessera.Models.Layers;

/// <summary>The initialisation of the MLPs over tokens: Xavier's weights and nearly no bias.</summary>
internal static class XavierInit
{
    /// <summary>Weights of every linear map inside uniform after Glorot, their biases normal.</summary>
    /// <param name="module">A linear map or what holds some.</param>
    /// <param name="biasStd">Deviation of the biases.</param>
    public static T Linears<T>(T module, double biasStd = 1e-6)
        where T : Module
    {
        foreach (var (_, found) in module.NamedModules())
        {
            if (found is not Linear linear)
                continue;
            Init.XavierUniform(linear.Weight);
            if (linear.Bias is { } bias)
                Init.Normal(bias, biasStd);
        }
        return module;
    }
}
