using System.ComponentModel.DataAnnotations;
using Tessera.Data;
using Tessera.Data.Transforms;
using Tessera.Models;
using Tessera.Training.Objectives;
using Tessera.Training.Recipes;

namespace Tessera.Training.Tasks.MultiLabel;

/// <summary>Learning from sets of classes.</summary>
/// <param name="student">The model that is trained.</param>
/// <param name="loss">Loss of the logits against the sets.</param>
/// <param name="smoothing">Label smoothing s: a target t becomes t (1 - s) + s / 2. 0 where the targets of batches contain it.</param>
/// <param name="isMixed">Whether batches are mixed: there is no answer that is simply right then, and no score for the log.</param>
public sealed class MultiLabelLearning(Backbone student, MultiLabelLoss loss, double smoothing = 0, bool isMixed = false)
    : BackboneObjective(student)
{
    /// <inheritdoc/>
    public override double? ForwardPasses => Supervised.OnePass;

    /// <inheritdoc/>
    protected override Loss ForwardLoss(Batch batch, Progress progress, Phase phase)
    {
        var logits = Student.Run(new(batch.Inputs, batch.Mask)).Logits;
        var hot = MultiLabelTargets.Of(batch).Hot;
        var targets = smoothing > 0 ? hot * (1 - smoothing) + smoothing / 2 : hot;
        return new(loss.Compute(logits, targets)) { Scores = isMixed ? new Dictionary<string, Score>() : MicroF1(logits, hot, batch) };
    }

    // Of the classes with a probability of at least one half; the thresholds of the task are for measuring.
    private static Dictionary<string, Score> MicroF1(Tensor logits, Tensor hot, Batch batch)
    {
        // A placeholder has the names of the scores, so that all processes reduce the same figures.
        if (batch.IsPlaceholder)
            return new() { ["f1_micro"] = default };
        using var scope = new Scope();
        var chosen = logits.Detach().Ge(0).To(DType.Float32); // [B, C]
        var present = hot.Gt(0.5).To(DType.Float32);
        var right = (chosen * present).Sum().ToDouble();
        // 2 right / (2 right + wrong + missed): a fraction whose parts add up over batches.
        return new() { ["f1_micro"] = new(2 * right, chosen.Sum().ToDouble() + present.Sum().ToDouble()) };
    }
}

/// <summary>Learning from sets of classes.</summary>
/// <param name="Loss">bce (by default) or asymmetric, with its settings.</param>
/// <param name="Smoothing">Label smoothing s: a target t becomes t (1 - s) + s / 2.</param>
[RecipeName("multi_label")]
public sealed record MultiLabelOptions(MultiLabelLoss? Loss = null, [Range(0, 0.999)] double Smoothing = 0) : ObjectiveOptions
{
    /// <summary>How logits are held against the sets.</summary>
    public MultiLabelLoss Loss { get; init; } = Loss ?? new BinaryCrossEntropyLoss();

    /// <inheritdoc/>
    public override Type TargetsType => typeof(MultiLabelTargets);

    /// <inheritdoc/>
    public override double TargetSmoothing => Smoothing;

    /// <inheritdoc/>
    public override Objective Create(ObjectiveContext context)
    {
        var isMixed = context.Augment.Any(transform => transform is Mixup or CutMix);
        if (Smoothing > 0 && context.Augment.Any(transform => transform is LabelSmoothing))
            throw new ArgumentException("label_smoothing in augment smooths the targets already: objective.smoothing must be 0");
        // Mixed targets contain the smoothing of the objective.
        return new MultiLabelLearning(context.Student, Loss, isMixed ? 0 : Smoothing, isMixed);
    }
}
