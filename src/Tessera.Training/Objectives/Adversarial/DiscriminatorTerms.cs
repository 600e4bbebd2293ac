using Tessera.Models;
using Tessera.Training.Losses;

namespace Tessera.Training.Objectives.Adversarial;

/// <summary>Terms of a discriminator's loss, with their weights.</summary>
/// <param name="Total">Their sum.</param>
/// <param name="Real">Scores of real images, [B, 1].</param>
/// <param name="Fake">Scores of generated images, [B, 1].</param>
/// <param name="Adversarial">The loss without regularizers.</param>
/// <param name="Consistency">Balanced consistency; null where it does not count.</param>
/// <param name="R1">The penalty R1; null where it does not count.</param>
internal sealed record DiscriminatorTerms(Tensor Total, Tensor Real, Tensor Fake, Tensor Adversarial, Tensor? Consistency, Tensor? R1)
    : ITensorBag
{
    /// <inheritdoc/>
    public IEnumerable<Tensor> Tensors => new[] { Total, Real, Fake, Adversarial, Consistency, R1 }.OfType<Tensor>();

    /// <summary>The terms of a batch. Real and generated images pass the discriminator together, real ones first.</summary>
    /// <param name="discriminator">Judges them.</param>
    /// <param name="options">Weights of the terms.</param>
    /// <param name="real">Real images [B, C, H, W] in [0, 1].</param>
    /// <param name="fake">Generated images of the same shape.</param>
    /// <param name="augment">Augments a batch; it is called once, and once more for the consistency.</param>
    /// <param name="penalized">Whether this is a step in which R1 counts; it stands for those in which it does not.</param>
    internal static DiscriminatorTerms Of(
        Discriminator discriminator,
        VitGanOptions options,
        Tensor real,
        Tensor fake,
        Func<Tensor, Tensor> augment,
        bool penalized
    )
    {
        using var scope = new Scope();
        if (penalized)
        {
            real = real.Detach();
            real.RequiresGrad = true;
        }
        var all = Torch.Cat([real, fake.Detach()], 0);
        var (ofReal, ofFake) = Halves(Scores(discriminator, augment(all)));
        var adversarial = AdversarialLosses.Discriminator(ofReal, ofFake);
        var total = adversarial;
        Tensor? consistency = null;
        if (options.BcrReal > 0 || options.BcrFake > 0)
        {
            var (againReal, againFake) = Halves(Scores(discriminator, augment(all)));
            consistency =
                AdversarialLosses.Consistency(ofReal, againReal) * options.BcrReal
                + AdversarialLosses.Consistency(ofFake, againFake) * options.BcrFake;
            total = total + consistency;
        }
        var r1 = penalized ? AdversarialLosses.R1(ofReal, real) * (options.R1 / 2 * options.R1Every) : null;
        if (r1 is not null)
            total = total + r1;
        return scope.Return(new DiscriminatorTerms(total, ofReal, ofFake, adversarial, consistency, r1));
    }

    /// <summary>The scores of images. Losses of scores in a short type would be rounded to it, so they become float32.</summary>
    /// <param name="discriminator">Judges them.</param>
    /// <param name="images">[B, C, H, W].</param>
    internal static Tensor Scores(Discriminator discriminator, Tensor images)
    {
        var scores = discriminator.Call(images);
        return scores.DType is DType.Float16 or DType.BFloat16 ? scores.To(DType.Float32) : scores;
    }

    private static (Tensor First, Tensor Second) Halves(Tensor scores)
    {
        var half = scores.Size(0) / 2;
        return (scores.Slice(0, 0, half), scores.Slice(0, half));
    }
}
