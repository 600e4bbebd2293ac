namespace Tessera.Models.Layers;

/// <summary>Moves of features along one dimension.</summary>
public static class Shift
{
    /// <summary>out[i] = x[i - step] along a dimension, zero where that lies outside.</summary>
    /// <param name="x">Any tensor.</param>
    /// <param name="dim">The dimension, counted from 0.</param>
    /// <param name="step">Positions towards larger indices; negative towards smaller ones.</param>
    public static Tensor Zero(Tensor x, int dim, int step)
    {
        if (step == 0)
            return x;
        if (Math.Abs(step) >= x.Size(dim))
            return x.ZerosLike();
        // Negative padding cuts off; pairs are listed from the last dimension on.
        var pad = new long[2 * (x.Dim - dim)];
        (pad[^2], pad[^1]) = (step, -step);
        return x.ConstantPadNd(pad, 0);
    }

    /// <summary>out[i] = x[i - step] along a dimension; the outermost positions keep what they have. Steps are 1 or -1.</summary>
    public static Tensor Keep(Tensor x, int dim, int step)
    {
        var size = x.Size(dim);
        return step > 0
            ? Torch.Cat([x.Slice(dim, 0, 1), x.Slice(dim, 0, size - 1)], dim)
            : Torch.Cat([x.Slice(dim, 1, size), x.Slice(dim, size - 1, size)], dim);
    }
}
