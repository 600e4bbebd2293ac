namespace Tessera.Training.Losses;

/// <summary>
/// Whitening of embeddings by the Cholesky factor of their covariance (Ermolov et al., 2020, arXiv:2007.06346, equation 4): the result has
/// mean 0 and covariance 1, so that embeddings cannot collapse. Gradients flow through the factor.
/// </summary>
public static class Whitening
{
    /// <summary>Whitens rows by their own statistics: (1 - eps) C + eps I = L L^T, and each row becomes L^-1 (x - mean).</summary>
    /// <param name="rows">Rows of one group, [N, D], or of several, [G, N, D]. Those of 16 bits become float32.</param>
    /// <param name="eps">Share of the unit matrix in the covariance, from 0 to 1; with 0, N must be above D.</param>
    /// <exception cref="ShapeException">There are too few rows for the covariance to have an inverse.</exception>
    /// <exception cref="RunException">It has none all the same: channels depend on each other.</exception>
    public static Tensor Of(Tensor rows, double eps = 0)
    {
        var (count, width) = (rows.Size(-2), rows.Size(-1));
        if (count < 2 || (eps == 0 && count <= width))
            throw new ShapeException(
                $"{count} rows of width {width} cannot be whitened: there must be more rows than channels, or at least 2 with eps above 0"
            );
        return Torch.Scope(() =>
        {
            using var exact = Torch.Autocast(device: rows.Device.Type, enabled: false);
            var wide = UnitRows.Wide(rows);
            var centered = wide - wide.Mean([-2], true);
            var covariance = centered.MT.Matmul(centered) / (count - 1.0);
            if (eps != 0)
                covariance = covariance * (1 - eps) + Torch.Eye(width, wide.DType, device: wide.Device) * eps;
            return Factor(covariance) is { } factor ? factor.LinalgSolveTriangular(centered.MT, upper: false).MT : wide * double.NaN;
        });
    }

    // Null where embeddings are not finite: the loss is to say so, as it does for every method.
    private static Tensor? Factor(Tensor covariance)
    {
        try
        {
            return covariance.LinalgCholesky();
        }
        catch (TorchException)
        {
            if (!double.IsFinite(covariance.Sum().ToDouble()))
                return null;
            throw new RunException(
                $"embeddings of {covariance.Size(-1)} channels cannot be whitened, since some of them depend on each other: "
                    + "choose a smaller objective.dim, a larger objective.size or data.batch, or objective.eps above 0"
            );
        }
    }

    /// <summary>Whitens groups of rows, each by its own statistics.</summary>
    /// <param name="rows">[N, D].</param>
    /// <param name="order">Positions of the rows, int64, [N]: the first rows of this order are one group, the next another.</param>
    /// <param name="size">Rows of a group, a divisor of N.</param>
    /// <param name="eps">Share of the unit matrix in the covariance.</param>
    /// <returns>The whitened rows in their old order, [N, D].</returns>
    /// <exception cref="ShapeException">The groups do not divide the rows, or are too small.</exception>
    public static Tensor InGroups(Tensor rows, Tensor order, int size, double eps = 0)
    {
        var (count, width) = (rows.Size(0), rows.Size(1));
        if (size < 1 || count % size != 0)
            throw new ShapeException($"{count} rows do not divide into groups of {size}: the batch must be a multiple of the group");
        return Torch.Scope(() =>
            Of(rows.IndexSelect(0, order).Reshape([count / size, size, width]), eps).Reshape([count, width]).IndexSelect(0, order.Argsort())
        );
    }
}
