using Tessera.Data;

namespace Tessera.Training.Losses;

/// <summary>
/// The three losses of Un-Mix (Shen et al., 2020, arXiv:2003.05438, equation 5): that of both views, and those of the second view with the
/// mixture of the first, which shows sample i by the share lambda and its partner by the rest.
/// </summary>
/// <param name="Original">Loss of both views, a scalar.</param>
/// <param name="Mixed">Loss of the second view and the mixture, a scalar.</param>
/// <param name="Flipped">Loss of the second view and the mixture in reversed order, a scalar.</param>
/// <param name="Share">Lambda: the share of a sample's own image in the mixture, after clipping.</param>
public sealed record UnMixed(Tensor Original, Tensor Mixed, Tensor Flipped, double Share) : ITensorBag
{
    /// <inheritdoc/>
    public IEnumerable<Tensor> Tensors => [Original, Mixed, Flipped];

    /// <summary>original + lambda mixed + (1 - lambda) flipped; nothing is divided by 2.</summary>
    public Tensor Total => Original + Mixed * Share + Flipped * (1 - Share);

    /// <summary>The sum over both directions of a symmetric method, whose mixtures are the same.</summary>
    public static UnMixed operator +(UnMixed left, UnMixed right) => Add(left, right);

    /// <summary>The sum over both directions of a symmetric method, whose mixtures are the same.</summary>
    /// <exception cref="ArgumentException">They are of different mixtures.</exception>
    public static UnMixed Add(UnMixed left, UnMixed right) =>
        left.Share == right.Share
            ? new(left.Original + right.Original, left.Mixed + right.Mixed, left.Flipped + right.Flipped, left.Share)
            : throw new ArgumentException("both directions must have the same mixture", nameof(right));

    /// <summary>The reversed batch: sample i becomes sample N - 1 - i.</summary>
    /// <param name="rows">[N, ...].</param>
    public static Tensor Flip(Tensor rows) => rows.Flip([0]);

    /// <summary>Mixes a batch with its reversed self, by shares of all values or by a box.</summary>
    /// <param name="images">[N, C, H, W].</param>
    /// <param name="mix">Share of the images themselves, or box of the others.</param>
    public static Tensor Images(Tensor images, Mix mix) =>
        Torch.Scope(() =>
        {
            using var outside = Torch.NoGrad();
            var partners = Flip(images);
            if (mix.Box is not { } box)
                return images * mix.Share + partners * (1 - mix.Share);
            var mixed = images.Detach().Clone();
            Part(mixed, box).Copy_(Part(partners, box));
            return mixed;
        });

    private static Tensor Part(Tensor images, MixBox box) => images.Slice(2, box.Top, box.Bottom).Slice(3, box.Left, box.Right);
}
