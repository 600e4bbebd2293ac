namespace Tessera.Training.Losses;

/// <summary>
/// How far predictions point away from what they should be (Grill et al., "Bootstrap Your Own Latent", 2020, arXiv:2006.07733,
/// equation 2): the squared distance of both on the unit sphere, which is 2 - 2 cos.
/// </summary>
public static class NormalizedRegression
{
    /// <summary>The distance of each row, [N], from 0 (the same direction) to 4 (opposite ones).</summary>
    /// <param name="predictions">[N, D].</param>
    /// <param name="targets">[N, D]; no gradient flows back to them.</param>
    public static Tensor Rows(Tensor predictions, Tensor targets) =>
        Torch.Scope(() => CosineDistance.Rows(predictions, targets.Detach()));
}
