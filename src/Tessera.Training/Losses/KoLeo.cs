namespace Tessera.Training.Losses;

/// <summary>
/// Differential entropy of descriptors as a loss: the estimate of Kozachenko and Leonenko, by the distance of each to its nearest
/// neighbour, which spreads descriptors over the sphere. Sablayrolles et al., "Spreading vectors for similarity search", 2018,
/// arXiv:1806.03198, equation 4; in retrieval El-Nouby et al., 2021, arXiv:2102.05644, equation 2.
/// </summary>
public static class KoLeo
{
    /// <summary>Added to a distance before its logarithm.</summary>
    public const double DefaultEps = 1e-8;

    /// <summary>
    /// The nearest neighbour of each row among all, itself left out, as positions in all: int64, [N]. That is the one of the largest inner
    /// product; without a gradient.
    /// </summary>
    /// <param name="rows">Descriptors of length 1, [N, D].</param>
    /// <param name="all">Those that neighbours are looked for among, at least two, [M, D].</param>
    /// <param name="first">Where the rows themselves begin among all.</param>
    /// <exception cref="ShapeException">The shapes do not fit.</exception>
    public static Tensor Nearest(Tensor rows, Tensor all, long first = 0)
    {
        if (rows.Dim != 2 || all.Dim != 2 || rows.Size(1) != all.Size(1) || all.Size(0) < 2)
            throw new ShapeException(
                $"descriptors of shape {rows.Shape} among {all.Shape}: they must be [N, D] and [M, D], of which M is at least 2"
            );
        return Torch.Scope(() =>
        {
            using var outside = Torch.NoGrad();
            using var exact = Torch.Autocast(device: rows.Device.Type, enabled: false);
            var own = (Torch.Arange(rows.Size(0), device: rows.Device) + first)
                .Unsqueeze(1)
                .Eq(Torch.Arange(all.Size(0), device: rows.Device));
            return rows.Matmul(all.MT).MaskedFill(own, double.NegativeInfinity).Argmax(1);
        });
    }

    /// <summary>
    /// Distance of each row to a neighbour, [N]. Gradients flow to both ends; where both are one vector there is none.
    /// </summary>
    /// <param name="rows">[N, D].</param>
    /// <param name="all">Those that the neighbours are among, [M, D].</param>
    /// <param name="nearest">As <see cref="Nearest"/> gives it.</param>
    public static Tensor Distances(Tensor rows, Tensor all, Tensor nearest) =>
        Torch.Scope(() =>
        {
            using var exact = Torch.Autocast(device: rows.Device.Type, enabled: false);
            return (rows - all.IndexSelect(0, nearest)).LinalgVectorNorm(2, [1]);
        });

    /// <summary>Minus the mean logarithm of the distances, a scalar.</summary>
    /// <param name="distances">As <see cref="Distances"/> gives them, [N].</param>
    /// <param name="eps">Added to a distance, above 0.</param>
    public static Tensor Of(Tensor distances, double eps = DefaultEps) => Torch.Scope(() => -(distances + eps).Log().Mean());
}
