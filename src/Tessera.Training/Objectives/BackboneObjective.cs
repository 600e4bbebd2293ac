using Tessera.Data;
using Tessera.Models;

namespace Tessera.Training.Objectives;

/// <summary>A method that trains one backbone, the student.</summary>
/// <param name="student">The model that is trained.</param>
public abstract class BackboneObjective(Backbone student) : Objective(student)
{
    /// <summary>The model that is trained.</summary>
    public Backbone Student => (Backbone)Model;

    /// <summary>
    /// Accuracy for the log if each sample has one class; empty for a mixed or smoothed batch.
    /// </summary>
    /// <param name="logits">Answers to the batch, [B, classes].</param>
    /// <param name="batch">The batch with the true labels.</param>
    protected static IReadOnlyDictionary<string, Score> Accuracy(Tensor logits, Batch batch) =>
        batch.Targets is ClassTargets { Soft: null, Labels: var labels }
            ? new Dictionary<string, Score>
            {
                // A placeholder has the names of the scores, so that all processes reduce the same figures.
                ["top1"] = batch.IsPlaceholder
                    ? default
                    : new(Torch.Scope(() => logits.Detach().Argmax(1).Eq(labels).Sum()).ToInt64(), labels.Size(0)),
            }
            : new Dictionary<string, Score>();
}
