using System.ComponentModel.DataAnnotations;
using Tessera.Data;
using Tessera.Models;

namespace Tessera.Training;

/// <summary>Cross-entropy against labels, or against the soft targets of a batch that has them (smoothing is inside of those already).</summary>
/// <param name="smoothing">Label smoothing, in [0, 1).</param>
public sealed class Supervised(double smoothing = 0) : Objective
{
    /// <inheritdoc/>
    protected override Loss ForwardLoss(Backbone student, Batch batch, Progress progress)
    {
        var logits = student.Run(new(batch.Inputs, batch.Mask)).Logits;
        return new(Base(logits, batch, smoothing)) { Logits = logits };
    }

    /// <summary>The loss of logits against whatever the batch has.</summary>
    internal static Tensor Base(Tensor logits, Batch batch, double smoothing)
        => batch.Targets is { } targets ? Losses.SoftCrossEntropy(logits, targets) : Losses.CrossEntropy(logits, batch.Labels, smoothing);
}

/// <summary>Cross-entropy against labels.</summary>
/// <param name="Smoothing">Label smoothing.</param>
[RecipeName("supervised")]
public sealed record SupervisedOptions([Range(0, 0.999)] double Smoothing = 0) : ObjectiveOptions
{
    /// <inheritdoc/>
    public override double TargetSmoothing => Smoothing;

    /// <inheritdoc/>
    public override Objective Create(ObjectiveContext context) => new Supervised(Smoothing);
}
