using Tessera.Nn;

namespace Tessera.Models.Layers;

/// <summary>The initialisation that most transformers share.</summary>
public static class TransformerInit
{
    /// <summary>Weights of every linear map inside truncated normal with deviation 0.02, their biases zero.</summary>
    public static T Linears<T>(T module)
        where T : Module
    {
        foreach (var (_, found) in module.NamedModules())
        {
            if (found is not Linear linear)
                continue;
            Init.TruncatedNormal(linear.Weight, 0.02);
            if (linear.Bias is { } bias)
                Init.Zeros(bias);
        }
        return module;
    }

    /// <summary>A fresh classifier with these weights; null for 0 classes.</summary>
    /// <param name="dim">Width of what it sees.</param>
    /// <param name="classes">Number of classes.</param>
    /// <param name="like">A tensor of the type and on the device that are wanted; float32 on the CPU when left out.</param>
    internal static Linear? Head(int dim, int classes, Tensor? like = null)
    {
        if (classes == 0)
            return null;
        var head = Linears(new Linear(dim, classes));
        if (like is not null)
            head.To(like.Device, like.DType);
        return head;
    }

    /// <summary>
    /// Weights of every convolution inside normal with variance 2 / (k k outputs / groups), their biases zero: PVT v2 and MiT.
    /// </summary>
    public static T Convolutions<T>(T module)
        where T : Module
    {
        foreach (var (_, found) in module.NamedModules())
        {
            if (found is not Conv2d conv)
                continue;
            var (outputs, perGroup) = (conv.Weight.Size(0), conv.Weight.Size(1));
            var kernel = conv.Weight.Elements / (outputs * perGroup);
            Init.Normal(conv.Weight, Math.Sqrt(2.0 / (kernel * outputs / conv.Groups)));
            if (conv.Bias is { } bias)
                Init.Zeros(bias);
        }
        return module;
    }
}
