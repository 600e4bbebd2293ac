using Tessera.Nn;

namespace Tessera.Models.Layers;

/// <summary>Linear maps over tokens of a grid, carried over to another grid. An approximation: such maps are tied to their grid.</summary>
internal static class TokenMatrix
{
    /// <summary>
    /// Resamples the inputs (columns) and the outputs (rows, with the bias) of a map bilinearly, each as an image of the grid.
    /// Columns are scaled by the ratio of the tokens, so that a constant image keeps its answer.
    /// </summary>
    /// <param name="linear">The map.</param>
    /// <param name="from">Its grid.</param>
    /// <param name="to">The grid that is wanted.</param>
    /// <param name="inputs">Whether its inputs are tokens.</param>
    /// <param name="outputs">Whether its outputs are tokens.</param>
    /// <returns>A new map.</returns>
    internal static Linear Resample(Linear linear, (int Height, int Width) from, (int Height, int Width) to, bool inputs, bool outputs)
    {
        using var scope = new Scope();
        using var outside = Torch.NoGrad();
        var weight = inputs ? Columns(linear.Weight, from, to) : linear.Weight;
        if (outputs)
            weight = Rows(weight, from, to);
        Linear result;
        using (Init.Skip())
            result = new Linear(weight.Size(1), weight.Size(0), linear.Bias is not null);
        result.To(linear.Weight.Device, linear.Weight.DType);
        result.Weight.Copy_(weight);
        if (linear.Bias is { } bias)
            result.Bias!.Copy_(outputs ? Rows(bias.Unsqueeze(1), from, to).Squeeze(1) : bias);
        return result;
    }

    /// <summary>[..., h w] of one grid to [..., h' w'] of another, scaled to keep the sum of a row.</summary>
    internal static Tensor Columns(Tensor weight, (int Height, int Width) from, (int Height, int Width) to) =>
        Resize(weight, from, to) * ((double)from.Height * from.Width / ((double)to.Height * to.Width));

    /// <summary>[h w, n] of one grid to [h' w', n] of another.</summary>
    internal static Tensor Rows(Tensor weight, (int Height, int Width) from, (int Height, int Width) to) =>
        Resize(weight.T(), from, to).T();

    private static Tensor Resize(Tensor weight, (int Height, int Width) from, (int Height, int Width) to) =>
        weight.Reshape(1, -1, from.Height, from.Width).UpsampleBilinear2d((to.Height, to.Width), false).Reshape(weight.Size(0), -1);
}
