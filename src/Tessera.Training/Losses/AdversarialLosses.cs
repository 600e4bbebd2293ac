namespace Tessera.Training.Losses;

/// <summary>
/// The losses of a generator and a discriminator whose scores are higher the more real images look. All are means over images; scores are
/// [B, 1] or [B].
/// </summary>
public static class AdversarialLosses
{
    /// <summary>
    /// The discriminator's loss: mean softplus(D(fake)) + mean softplus(-D(real)). Goodfellow et al., 2014, arXiv:1406.2661, equation 1.
    /// </summary>
    /// <param name="real">Scores of real images.</param>
    /// <param name="fake">Scores of generated images.</param>
    public static Tensor Discriminator(Tensor real, Tensor fake) =>
        Torch.Scope(() => fake.Softplus().Mean() + (real * -1).Softplus().Mean());

    /// <summary>
    /// The generator's loss in the form that does not saturate: mean softplus(-D(fake)). Goodfellow et al., 2014, arXiv:1406.2661,
    /// section 3.
    /// </summary>
    /// <param name="fake">Scores of generated images.</param>
    public static Tensor Generator(Tensor fake) => Torch.Scope(() => (fake * -1).Softplus().Mean());

    /// <summary>
    /// Balanced consistency: the mean squared difference of the scores of images under two augmentations. Gradients flow through both
    /// sides. Zhao et al., 2020, arXiv:2002.04724, algorithm 2.
    /// </summary>
    /// <param name="first">Scores under one augmentation.</param>
    /// <param name="second">Scores of the same images under another.</param>
    public static Tensor Consistency(Tensor first, Tensor second) => Torch.Scope(() => (first - second).Square().Mean());

    /// <summary>
    /// The penalty R1 without its weight: the mean over images of the squared norm of the gradient of the scores with respect to them, with
    /// a graph of its own. Mescheder et al., 2018, arXiv:1801.04406, equation 9; gamma / 2 is the weight.
    /// </summary>
    /// <param name="scores">Scores of the images.</param>
    /// <param name="images">Real images [B, C, H, W] that require gradients, before any augmentation.</param>
    public static Tensor R1(Tensor scores, Tensor images) =>
        Torch.Scope(() =>
        {
            var gradient = Autograd.Grad([scores.Sum()], [images], createGraph: true)[0]!;
            return gradient.Square().Sum() / images.Size(0);
        });
}
