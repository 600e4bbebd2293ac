namespace Tessera.Training.Objectives.Adversarial;

/// <summary>
/// Watches the scores of a discriminator, from which a generator learns nothing where they run away, where no image is judged wrongly, or
/// where all are alike. How long that has been so is part of a checkpoint, so that a run which stops in between says it all the same.
/// </summary>
internal sealed partial class DiscriminatorWatch : Module
{
    /// <summary>Steps in a row after which it is said.</summary>
    internal const int Patience = 100;

    /// <summary>Share of images judged rightly from which a discriminator wins outright.</summary>
    internal const double Winning = 0.99;

    /// <summary>Mean size of scores from which they are saturated: gradients of softplus are below 1e-8 there.</summary>
    internal const double Saturated = 20;

    /// <summary>Deviation of the scores of a batch below which all images are alike to the discriminator.</summary>
    internal const double Least = 1e-3;

    // Steps in a row of each case, and the last step that was looked at.
    private readonly ModuleBuffer rows = new(Tensor.From<long>([0, 0, 0, -1]));

    /// <summary>Looks at the scores of a step, which counts once however many batches it has.</summary>
    /// <param name="real">Scores of real images.</param>
    /// <param name="fake">Scores of generated images.</param>
    /// <param name="step">The step.</param>
    /// <returns>How many images were judged rightly, and what is to be said, a line each.</returns>
    internal (long Right, IReadOnlyList<string> Remarks) Look(Tensor real, Tensor fake, long step)
    {
        using var scope = new Scope();
        using var outside = Torch.NoGrad();
        var (ofReal, ofFake) = (real.Detach().To(DType.Float64).ToArray<double>(), fake.Detach().To(DType.Float64).ToArray<double>());
        var right = ofReal.LongCount(score => score > 0) + ofFake.LongCount(score => score < 0);
        if (rows.ToArray<long>() is not [.. var before, var last] || last == step)
            return (right, []);
        double[] all = [.. ofReal, .. ofFake];
        var mean = all.Average();
        var deviation = Math.Sqrt(all.Average(score => (score - mean) * (score - mean)));
        bool[] now = [right >= Winning * all.Length, all.Average(Math.Abs) >= Saturated, deviation < Least];
        long[] counts = [.. now.Zip(before, (holds, count) => holds ? count + 1 : 0)];
        rows.Copy_(Tensor.From<long>([.. counts, step]));
        var scores = FormattableString.Invariant($"mean scores {ofReal.Average():0.##} and {ofFake.Average():0.##}");
        string[] texts =
        [
            $"the discriminator wins outright: for {Patience} steps it has told all real images from generated ones ({scores}), and the "
                + "generator learns little; try a lower learning rate of the phase discriminator, more r1 or bcr, or stronger diff_augment",
            $"the discriminator is saturated: for {Patience} steps its scores have been so large ({scores}) that its loss has no gradient; "
                + "try a lower learning rate of the phase discriminator, or more r1",
            $"the discriminator is blind: for {Patience} steps all images have had the same score ({scores}); "
                + "try a higher learning rate of the phase discriminator, less r1, or weaker diff_augment",
        ];
        return (right, [.. texts.Where((_, i) => counts[i] == Patience)]);
    }
}
