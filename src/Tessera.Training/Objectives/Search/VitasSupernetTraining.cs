using System.ComponentModel.DataAnnotations;
using Tessera.Data;
using Tessera.Models;
using Tessera.Training.Losses;
using Tessera.Training.Recipes;

namespace Tessera.Training.Objectives.Search;

/// <summary>
/// Trains a super-transformer: every step draws a network, which runs on each of the sides that share weights; the logits of the sides add
/// up, and there is one loss (Su et al., 2021, arXiv:2106.13700, section 3). What is drawn depends on the seed and the step alone.
/// </summary>
/// <param name="supernet">The super-transformer.</param>
/// <param name="options">The settings.</param>
public sealed class VitasSupernetTraining(VitasSupernet supernet, VitasSupernetTrainingOptions options) : BackboneObjective(supernet)
{
    private VitasSupernet Supernet => (VitasSupernet)Model;

    /// <inheritdoc/>
    protected override Loss ForwardLoss(Batch batch, Progress progress, Phase phase)
    {
        var genome = options.Draw(Supernet.Options.Space, progress.Step);
        var logits = Supernet.Options.Sides.Select(side => Supernet.Call(batch.Inputs, genome, side)).ToArray();
        var sum = logits.Skip(1).Aggregate(logits[0], (all, one) => all + one);
        var (targets, classes) = (ClassTargets.Of(batch), sum.Size(1));
        var soft = targets.Soft
            ?? SharedPasses.Targets(
                targets.Labels,
                classes,
                1 - options.Smoothing,
                classes > 1 ? options.Smoothing / (classes - 1) : 0,
                sum.DType == DType.Float64 ? DType.Float64 : DType.Float32
            );
        return new(SharedPasses.CrossEntropy(logits, soft)) { Scores = Accuracy(sum, batch) };
    }
}

/// <summary>Settings of training a super-transformer, whose sharing of weights the model says.</summary>
/// <param name="Identity">Probability that a position of a drawn network has no block, in [0, 1).</param>
/// <param name="Smoothing">
/// Share of a label that is spread over the other classes; in mixed batches over all classes, as in the released code.
/// </param>
/// <param name="IdentityShift">Whether positions without a block are moved behind the others.</param>
/// <param name="LastHeads">
/// In a space in which every position has a block: whether the last number of heads takes the place of no block, as in the released code.
/// </param>
/// <param name="Seed">Of the networks that are drawn.</param>
[RecipeName("vitas_supernet")]
public sealed record VitasSupernetTrainingOptions(
    [Range(0, 0.99)] double Identity = 0.5,
    [Range(0, 0.999)] double Smoothing = 0.1,
    bool IdentityShift = false,
    bool LastHeads = false,
    ulong Seed = 0
) : ObjectiveOptions
{
    /// <inheritdoc/>
    public override double TargetSmoothing => Smoothing;

    /// <inheritdoc/>
    public override IReadOnlyList<Need> Needs =>
        [
            new Need.Views(1),
            new Need.NoAuxiliaryLosses("vitas_supernet runs a network several times in a step, so auxiliary losses must be left out"),
        ];

    /// <summary>The network of a step.</summary>
    /// <param name="space">The space.</param>
    /// <param name="step">The step, from 0.</param>
    public VitasGenome Draw(VitasSpace space, long step)
    {
        var drawn = space.Draw(new SeededRandom(Seed, step), Identity, LastHeads);
        return IdentityShift ? space.Shifted(drawn) : drawn;
    }

    /// <inheritdoc/>
    public override Objective Create(ObjectiveContext context) =>
        context.Student is VitasSupernet supernet
            ? new VitasSupernetTraining(supernet, this)
            : throw new ArgumentException($"objective vitas_supernet trains a vitas_supernet, not a {context.Student.GetType().Name}");
}
