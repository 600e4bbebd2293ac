namespace Tessera.Training.Probes;

/// <summary>How many of their dimensions features use.</summary>
internal static class FeatureSpread
{
    /// <summary>
    /// Effective rank (Roy and Vetterli, 2007): exp of the entropy of the singular values of the centred features, as shares of their sum.
    /// Between 1 and the number of dimensions; 1 where all features are the same.
    /// </summary>
    /// <param name="covariance">
    /// Of the features, float64 [D, D]: the roots of its eigenvalues are in proportion to the singular values.
    /// </param>
    internal static double EffectiveRank(Tensor covariance)
    {
        using var scope = new Scope();
        if (covariance.Isfinite().All().ToInt64() == 0)
            return double.NaN;
        var values = covariance.LinalgEigvalsh();
        // What rounding leaves of an eigenvalue that is zero would count as a dimension.
        var least = values.Max().ToDouble() * covariance.Size(0) * 1e-15;
        values = Torch.Where(values.Gt(least), values, values.ZerosLike()).Sqrt();
        var shares = values / values.Sum().ClampMin(1e-300);
        return shares.Xlogy(shares).Sum().Neg().Exp().ToDouble();
    }

    /// <summary>Effective rank of features on the unit sphere.</summary>
    /// <param name="features">[N, D]; they are L2-normalised here.</param>
    internal static double Of(Tensor features)
    {
        using var scope = new Scope();
        var rows = NearestNeighbors.Normalize(features.To(DType.Float64));
        var centred = rows - rows.Mean([0], true);
        return EffectiveRank(centred.MT.Matmul(centred) / rows.Size(0));
    }
}
