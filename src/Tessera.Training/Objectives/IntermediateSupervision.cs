using System.ComponentModel.DataAnnotations;
using Tessera.Data;
using Tessera.Models;
using Tessera.Training.Losses;
using Tessera.Training.Recipes;

namespace Tessera.Training.Objectives;

/// <summary>
/// Training of a RevCol with heads and decoders along its columns: early columns paint the image, late columns classify (Cai et al., 2022,
/// arXiv:2212.11696, section 2.2).
/// </summary>
public sealed class IntermediateSupervision : BackboneObjective
{
    private readonly IntermediateSupervisionOptions options;
    private readonly Normalization normalization;

    /// <summary>The method for a RevCol.</summary>
    /// <param name="options">Weights of images and heads, label smoothing.</param>
    /// <param name="student">A RevCol with intermediate supervision.</param>
    /// <param name="normalization">
    /// Mean and deviation by which the images were normalised; the decoders paint images from before that.
    /// </param>
    /// <exception cref="ArgumentException">The student has no such heads.</exception>
    public IntermediateSupervision(IntermediateSupervisionOptions options, Backbone student, Normalization normalization)
        : base(student)
    {
        if (student is not RevCol { Options.Supervision: true })
            throw new ArgumentException(
                $"intermediate supervision needs a RevCol with several heads (revcol_*), not {student.GetType().Name}"
            );
        (this.options, this.normalization) = (options, normalization);
    }

    /// <inheritdoc/>
    protected override Loss ForwardLoss(Batch batch, Progress progress, Phase phase)
    {
        var (targets, outputs) = (ClassTargets.Of(batch), Student.Run(new(batch.Inputs)));
        var earlier = Enumerable.Range(0, outputs.Named.Count).TakeWhile(i => outputs.Named.ContainsKey(RevCol.Image(i))).ToArray();
        var picture = batch.Inputs * PerChannel(normalization.Deviation) + PerChannel(normalization.Mean);
        var loss = ColumnSupervision.Loss(
            [.. earlier.Select(i => outputs.Named[RevCol.Head(i)]), outputs.Logits],
            [.. earlier.Select(i => outputs.Named[RevCol.Image(i)])],
            picture,
            targets.Soft ?? targets.Labels,
            options.ImageWeight,
            options.ClassWeight,
            options.Smoothing
        );
        return loss with { Scores = Accuracy(outputs.Logits, batch) };

        Tensor PerChannel(IReadOnlyList<float> values) => Tensor.From([.. values], 1, values.Count, 1, 1).To(batch.Inputs.Device);
    }
}

/// <summary>Settings of RevCol's intermediate supervision (Cai et al., 2022, arXiv:2212.11696, section 2.3).</summary>
/// <param name="ImageWeight">Weight of the first painted image, at least 0; it falls along the columns. 3 by default.</param>
/// <param name="ClassWeight">Largest weight of the heads before the last, at least 0; it rises along the columns. 0.7 by default.</param>
/// <param name="Smoothing">Label smoothing, from 0 to 0.999; 0.1 by default.</param>
[RecipeName("intermediate_supervision")]
public sealed record IntermediateSupervisionOptions(
    [Range(0, 1e6)] double ImageWeight = 3,
    [Range(0, 1e6)] double ClassWeight = 0.7,
    [Range(0, 0.999)] double Smoothing = 0.1
) : ObjectiveOptions
{
    /// <inheritdoc/>
    public override double TargetSmoothing => Smoothing;

    /// <inheritdoc/>
    public override Objective Create(ObjectiveContext context) => new IntermediateSupervision(this, context.Student, context.Normalization);
}
