namespace Tessera.Models.Layers;

/// <summary>
/// The largest singular value of a matrix by one step of power iteration (Miyato et al., 2018, arXiv:1802.05957, section 2.1). ViTGAN's
/// improved form multiplies what is divided by it with the largest singular value of the initial weights (Lee et al., 2021,
/// arXiv:2107.04589, section 3.1).
/// </summary>
internal static class SpectralNorm
{
    private const double Eps = 1e-4;

    /// <summary>Estimates it in float32 at least, because half floats have no room for what keeps the divisions finite.</summary>
    /// <param name="weight">[out, in].</param>
    /// <param name="left">The present estimate of the left singular vector, [out].</param>
    /// <param name="throughVectors">Whether gradients of the value flow through its vectors; otherwise these are constants.</param>
    /// <returns>The value [] and the next estimate of the left vector.</returns>
    internal static (Tensor Value, Tensor Left) Estimate(Tensor weight, Tensor left, bool throughVectors)
    {
        using var whole = Torch.Autocast(device: weight.Device.Type, enabled: false);
        var matrix = FullPrecision.Widened(weight);
        Tensor right;
        using (throughVectors ? null : Torch.NoGrad())
        {
            right = Unit(matrix.T().Mv(FullPrecision.Widened(left)));
            left = Unit(matrix.Mv(right));
        }
        return (left.Dot(matrix.Mv(right)), left);
    }

    private static Tensor Unit(Tensor vector) => vector / (vector.LinalgVectorNorm() + Eps);
}
