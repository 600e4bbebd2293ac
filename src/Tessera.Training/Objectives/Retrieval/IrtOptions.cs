using System.ComponentModel.DataAnnotations;
using Tessera.Training.Losses;
using Tessera.Training.Recipes;

namespace Tessera.Training.Objectives.Retrieval;

/// <summary>
/// IRT: a contrastive loss over the batch and a memory, and the entropy of the batch. Without the entropy (<c>koleo: 0</c>) it is the
/// paper's IRT_L, with it IRT_R.
/// </summary>
/// <param name="Margin">Similarity that images of different classes may have, from -1 to 1; 0.5 by default.</param>
/// <param name="Koleo">Weight of the entropy, from 0 (none) to 1000; 0.7 by default.</param>
/// <param name="Memory">Descriptors in the memory, from 0 (no memory) to 67108864; by default <paramref name="MemoryShare"/>
/// counts.</param>
/// <param name="MemoryShare">
/// Descriptors in the memory as a share of the training images, from 0 (no memory) to 100; 1 by default, and 0.2 for In-Shop.
/// </param>
/// <param name="MemoryStart">Step from which on the memory takes part; 0 by default, 1000 in the code of the cross-batch memory.</param>
/// <param name="MemoryWeight">Weight of the loss over the memory, from 0 to 1000; 1 by default.</param>
/// <param name="Momentum">
/// Momentum m, from 0 to 1, of a slowly moving copy whose descriptors enter the memory, as for In-Shop (0.999); none by default: those of
/// the model itself enter.
/// </param>
/// <param name="Form">Value of the contrastive loss: paper (the default) or cross_batch; the gradients are the same.</param>
[RecipeName("irt")]
public sealed record IrtOptions(
    [Range(-1.0, 1.0)] double Margin = 0.5,
    [Range(0.0, 1000)] double Koleo = 0.7,
    [Range(0, 1 << 26)] int? Memory = null,
    [Range(0.0, 100)] double? MemoryShare = null,
    [Range(0, int.MaxValue)] int MemoryStart = 0,
    [Range(0.0, 1000)] double MemoryWeight = 1,
    [Range(0.0, 1.0)] double? Momentum = null,
    ContrastiveForm Form = ContrastiveForm.Paper
) : RetrievalOptions
{
    /// <summary>Descriptors in the memory; null where <see cref="MemoryShare"/> counts.</summary>
    public int? Memory { get; init; } =
        Memory is null || MemoryShare is null ? Memory : throw new ArgumentException("only one of memory and memory_share can be given");

    /// <summary>Momentum of the copy whose descriptors enter the memory; null for none.</summary>
    public double? Momentum { get; init; } =
        Momentum is null || (Memory ?? MemoryShare ?? 1) > 0
            ? Momentum
            : throw new ArgumentException("momentum is for the memory, and there is none");

    /// <summary>Descriptors that the memory of a training has room for; 0 for none.</summary>
    /// <exception cref="ArgumentException">It is smaller than a step, or a share of an unknown number of images.</exception>
    internal int MemorySize(ObjectiveContext context)
    {
        if (Memory is { } given)
            return given == 0 || given >= context.StepSamples
                ? given
                : throw new ArgumentException(
                    $"objective.memory must be at least {context.StepSamples}, the samples of a step, not {given}; 0 is for no memory"
                );
        if (MemoryShare == 0)
            return 0;
        if (context.Data is not { Count: var count })
            throw new ArgumentException("objective.memory must be given where the number of training images is not known");
        // Of few images a step may read some again.
        return Math.Max((int)Math.Round((MemoryShare ?? 1) * count), context.StepSamples);
    }

    /// <summary>Four, as the code of the cross-batch memory has it; the paper does not say.</summary>
    public override int? Instances => 4;

    /// <inheritdoc/>
    public override Objective Create(ObjectiveContext context) => new Irt(this, context, DescriptorOf(context));
}
