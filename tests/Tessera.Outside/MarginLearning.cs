using System.ComponentModel.DataAnnotations;
using Tessera.Data;
using Tessera.Models;
using Tessera.Training;
using Tessera.Training.Objectives;
using Tessera.Training.Recipes;

namespace Tessera.Outside;

/// <summary>A method of a program's own: logits of the right class shall lie above the others by a margin.</summary>
public sealed class MarginLearning(Backbone student, double margin) : BackboneObjective(student)
{
    protected override Loss ForwardLoss(Batch batch, Progress progress, Phase phase)
    {
        var logits = Student.Run(new(batch.Inputs, batch.Mask)).Logits;
        var labels = ClassTargets.Of(batch).Labels;
        var right = logits.Gather(1, labels.Unsqueeze(1));
        var loss = (logits - right + margin).Relu().Mean();
        return new(loss)
        {
            Scores = Accuracy(logits, batch),
            Parts = new Dictionary<string, Tensor> { ["margin"] = loss.Detach() },
        };
    }
}

/// <summary>The settings of that method.</summary>
[RecipeName("margin_learning")]
public sealed record MarginOptions([Range(0, 100)] double Margin = 1, string Remark = "") : ObjectiveOptions
{
    public override Objective Create(ObjectiveContext context) => new MarginLearning(context.Student, Margin);
}
