namespace Tessera.Nn;

/// <summary>Zeroes elements with probability p in training and divides the rest by 1 - p.</summary>
public sealed class Dropout(double p) : Layer
{
    /// <inheritdoc/>
    protected override Tensor Forward(Tensor input) => p == 0 || !Training ? input : Torch.Dropout(input, p, true);
}

/// <summary>
/// In training, zeroes whole channels of [B, C, H, W] with probability p and divides the rest by 1 - p (Tompson et al., 2015,
/// arXiv:1411.4280).
/// </summary>
public sealed class Dropout2d(double p) : Layer
{
    /// <inheritdoc/>
    protected override Tensor Forward(Tensor input) => p == 0 || !Training ? input : Torch.FeatureDropout(input, p, true);
}

/// <summary>
/// Stochastic depth: drops the whole residual of a sample with probability p in training and divides the rest by 1 - p
/// (Huang et al., 2016, arXiv:1603.09382).
/// </summary>
public sealed class DropPath(double p) : Layer
{
    /// <summary>Probability of dropping.</summary>
    public double P => p;

    /// <inheritdoc/>
    protected override Tensor Forward(Tensor input) => Training ? Drop(input, p) : input;

    /// <summary>Drops whole samples with a probability and divides the rest by 1 - p, for rates that change as training goes on.</summary>
    /// <param name="input">[B, ...].</param>
    /// <param name="p">Probability of dropping.</param>
    public static Tensor Drop(Tensor input, double p)
    {
        if (p == 0)
            return input;
        var shape = new long[input.Dim];
        Array.Fill(shape, 1);
        shape[0] = input.Size(0);
        var kept = Torch.Empty(shape, input.DType, device: input.Device).Bernoulli_(1 - p);
        return p < 1 ? input * kept.Div_(1 - p) : input * kept;
    }

    /// <summary>
    /// Rates that grow linearly from 0 for the first of <paramref name="depth"/> blocks to <paramref name="last"/> for the last.
    /// </summary>
    public static double[] Rates(double last, int depth) =>
        [.. Enumerable.Range(0, depth).Select(i => depth == 1 ? 0 : last * i / (depth - 1))];
}
