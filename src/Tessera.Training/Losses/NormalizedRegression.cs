namespace Tessera.Training.Losses;

/// <summary>
/// How far predictions point away from what they should be (Grill et al., "Bootstrap Your Own Latent", 2020, arXiv:2006.07733,
/// equation 2): the squared distance of both on the unit sphere, which is 2 - 2 cos.
/// </summary>
public static class NormalizedRegression
{
    // Under the root, so that a row of zeros stays one.
    private const double LeastSquare = 1e-12;

    /// <summary>The distance of each row, [N], from 0 (the same direction) to 4 (opposite ones).</summary>
    /// <param name="predictions">[N, D].</param>
    /// <param name="targets">[N, D]; no gradient flows back to them.</param>
    public static Tensor Rows(Tensor predictions, Tensor targets) =>
        Torch.Scope(() => (Normalize(predictions) - Normalize(targets.Detach())).Square().Sum([1]));

    private static Tensor Normalize(Tensor rows)
    {
        var wide = rows.DType is DType.BFloat16 or DType.Float16 ? rows.To(DType.Float32) : rows;
        return wide * wide.Square().Sum([1], true).ClampMin(LeastSquare).Rsqrt();
    }
}
