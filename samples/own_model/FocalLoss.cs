using System.ComponentModel.DataAnnotations;
using Tessera.Data;
using Tessera.Models;
using Tessera.Training;
using Tessera.Training.Objectives;
using Tessera.Training.Recipes;

namespace OwnModel;

/// <summary>The focal loss (Lin et al., 2017, arXiv:1708.02002). In YAML: <c>objective: { name: focal, gamma: 2 }</c>.</summary>
/// <param name="Gamma">How much less samples count that are classified well already, from 0 (cross-entropy) to 10.</param>
[RecipeName("focal")]
internal sealed record FocalOptions([Range(0, 10)] double Gamma = 2) : ObjectiveOptions
{
    /// <inheritdoc/>
    public override Objective Create(ObjectiveContext context) => new FocalLoss(context.Student, Gamma);
}

/// <summary>Learning from labels by the focal loss.</summary>
/// <param name="student">The model that is trained.</param>
/// <param name="gamma">How much less samples count that are classified well already.</param>
internal sealed class FocalLoss(Backbone student, double gamma) : BackboneObjective(student)
{
    protected override Loss ForwardLoss(Batch batch, Progress progress, Phase phase)
    {
        var logits = Student.Run(new(batch.Inputs)).Logits; // [B, classes]
        var logLikelihood = logits.LogSoftmax(1).Gather(1, ClassTargets.Of(batch).Labels.Unsqueeze(1)); // [B, 1]
        var loss = -((1 - logLikelihood.Exp()).Pow(gamma) * logLikelihood).Mean();
        return new(loss) { Scores = Accuracy(logits, batch) };
    }
}
