namespace Tessera.Training.Losses;

/// <summary>
/// Weights of several losses that are learned with them: a loss of which the task is uncertain counts less, and a term that grows with the
/// uncertainty keeps it from counting nothing. Kendall et al., 2017, arXiv:1705.07115.
/// </summary>
public static class UncertaintyWeighting
{
    /// <summary>exp(-a s) L + s / 2, with s the logarithm of a variance; it may become negative. SiT of 2021.</summary>
    /// <param name="loss">L, a scalar.</param>
    /// <param name="weight">s, learned.</param>
    /// <param name="factor">a, 1 for classes and 0.5 for pixels.</param>
    public static Tensor Exponential(Tensor loss, Tensor weight, double factor) =>
        Torch.Scope(() => (weight * -factor).Exp() * loss + weight * 0.5);

    /// <summary>L / (2 w^2) + log(1 + w^2), never negative. SiT's revision of June 2022.</summary>
    /// <param name="loss">L, a scalar.</param>
    /// <param name="weight">w, learned.</param>
    public static Tensor Logarithmic(Tensor loss, Tensor weight) =>
        Torch.Scope(() =>
        {
            var square = weight.Square();
            return loss * 0.5 / square + square.Log1p();
        });
}
