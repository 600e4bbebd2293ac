namespace Tessera.Training.Generation;

/// <summary>
/// The distance of two Gaussian fits (Fréchet, 1957; Heusel et al., 2017, arXiv:1706.08500):
/// |m1 - m2|^2 + tr C1 + tr C2 - 2 tr (C1 C2)^(1/2).
/// </summary>
public static class FrechetDistance
{
    /// <summary>The distance of two sets of features.</summary>
    /// <param name="one">Statistics of at least two features.</param>
    /// <param name="other">The same of the other set.</param>
    /// <exception cref="ShapeException">The features differ in their dimensions.</exception>
    public static double Between(FeatureStatistics one, FeatureStatistics other)
    {
        using var scope = new Scope();
        return Between(one.Mean, one.Covariance, other.Mean, other.Covariance);
    }

    /// <summary>The distance of two Gaussian distributions, which is never negative.</summary>
    /// <param name="mean">[D].</param>
    /// <param name="covariance">Symmetric, [D, D], without negative eigenvalues.</param>
    /// <param name="otherMean">[D].</param>
    /// <param name="otherCovariance">Symmetric, [D, D], without negative eigenvalues.</param>
    /// <exception cref="ShapeException">The shapes do not fit.</exception>
    public static double Between(Tensor mean, Tensor covariance, Tensor otherMean, Tensor otherCovariance)
    {
        var width = mean.Size(0);
        if (mean.Dim != 1 || otherMean.Shape != mean.Shape || !IsSquare(covariance, width) || !IsSquare(otherCovariance, width))
            throw new ShapeException(
                $"means of shapes {mean.Shape} and {otherMean.Shape} with covariances of shapes {covariance.Shape} and "
                    + $"{otherCovariance.Shape}: they must be [D] and [D, D]"
            );
        using var scope = new Scope();
        using var outside = Torch.NoGrad();
        var (one, two) = (covariance.To(DType.Float64), otherCovariance.To(DType.Float64));
        var between = (mean.To(DType.Float64) - otherMean.To(DType.Float64)).Square().Sum().ToDouble();
        var spread = one.Trace().ToDouble() + two.Trace().ToDouble();
        // The trace of (C1 C2)^(1/2) is the sum of the singular values of R1^T R2 with C = R R^T: the same as the roots of the eigenvalues
        // of C1^(1/2) C2 C1^(1/2), but the rounding of those that are 0 is not magnified by a root.
        var product = Root(one).MT.Matmul(Root(two));
        var common = product.Elements == 0 ? 0 : product.LinalgMatrixNorm("nuc").ToDouble();
        return Math.Max(0, between + spread - 2 * common);
    }

    private static bool IsSquare(Tensor matrix, long width) => matrix.Dim == 2 && matrix.Size(0) == width && matrix.Size(1) == width;

    // R [D, r] with C = R R^T, r the rank of C: directions without spread would bring in the roots of their rounding.
    private static Tensor Root(Tensor covariance)
    {
        var (values, vectors) = ((covariance + covariance.MT) / 2).LinalgEigh();
        var spreads = values.ToArray<double>(); // ascending
        var least = Math.Max(0, spreads[^1]) * spreads.Length * 2.2204460492503131e-16;
        var first = spreads.TakeWhile(value => value <= least).Count();
        return vectors.Slice(1, first) * values.Slice(0, first).Sqrt();
    }
}
