using System.ComponentModel.DataAnnotations;
using Tessera.Data;
using Tessera.Models;
using Tessera.Training.Losses;
using Tessera.Training.Recipes;

namespace Tessera.Training.Objectives;

/// <summary>Loss of logits against labels.</summary>
public enum ClassificationLoss
{
    /// <summary>Cross-entropy: exactly one class is right.</summary>
    CrossEntropy,

    /// <summary>Binary cross-entropy: each class is a question of its own.</summary>
    Bce,
}

/// <summary>Learning from labels, or from the soft targets of a batch that has them (smoothing is inside of those already).</summary>
/// <param name="student">The model that is trained.</param>
/// <param name="smoothing">Label smoothing, in [0, 1).</param>
/// <param name="kind">Cross-entropy or binary cross-entropy.</param>
/// <param name="threshold">Binary: targets above it count as 1, others as 0.</param>
/// <param name="sumClasses">Binary: sums over the classes instead of averaging.</param>
/// <param name="classWeights">Weight of each class in the loss; null for none.</param>
/// <param name="classifierOnly">Whether the classifier alone learns; the rest is frozen here and runs as in prediction.</param>
/// <param name="auxiliaryWeight">Weight of the loss of a second classifier that helps in training alone, where the model has one.</param>
public sealed class Supervised(
    Backbone student,
    double smoothing = 0,
    ClassificationLoss kind = ClassificationLoss.CrossEntropy,
    double? threshold = null,
    bool sumClasses = false,
    float[]? classWeights = null,
    bool classifierOnly = false,
    double auxiliaryWeight = Supervised.AuxiliaryWeight
) : BackboneObjective(classifierOnly ? Frozen(student) : student)
{
    // A pass forward and one backward, which costs as much as two forward.
    internal const double OnePass = 3;

    // As published of networks of cells (NASNet, DARTS, BATS).
    internal const double AuxiliaryWeight = 0.4;

    /// <inheritdoc/>
    public override double? ForwardPasses => classifierOnly ? 1 : OnePass;

    private static Backbone Frozen(Backbone student)
    {
        var classifier = student.ClassifierNames.ToHashSet(StringComparer.Ordinal);
        if (!student.NamedParameters().Any(entry => classifier.Contains(entry.Name)))
            throw new ArgumentException("classifier_only needs a model with a classifier");
        foreach (var (name, parameter) in student.NamedParameters())
            parameter.RequiresGrad = classifier.Contains(name);
        return student;
    }

    /// <inheritdoc/>
    /// <remarks>The weighted mean of cross-entropy is over the weights of the samples that pass at a time.</remarks>
    public override bool MeanOverSamples => classWeights is null || kind == ClassificationLoss.Bce;

    /// <inheritdoc/>
    protected override Loss ForwardLoss(Batch batch, Progress progress, Phase phase)
    {
        if (classifierOnly && Student.Training)
            Student.Eval();
        var outputs = Student.Run(new(batch.Inputs, batch.Mask));
        // Heads that learn the same labels have a loss each.
        var loss = outputs.Named.TryGetValue(Outputs.Heads, out var heads)
            ? Torch.Stack([.. Enumerable.Range(0, (int)heads.Size(0)).Select(head => LossOf(heads[head], batch))]).Sum()
            : LossOf(outputs.Logits, batch);
        if (outputs.Named.TryGetValue(Outputs.Auxiliary, out var auxiliary))
            loss += LossOf(auxiliary, batch) * auxiliaryWeight;
        return new(loss) { Scores = Accuracy(outputs.Logits, batch) };
    }

    private Tensor LossOf(Tensor logits, Batch batch)
    {
        var weights = classWeights is null
            ? null
            : Tensor
                .From(classWeights, classWeights.Length)
                .To(logits.Device)
                .To(logits.DType == DType.Float64 ? DType.Float64 : DType.Float32);
        if (kind == ClassificationLoss.CrossEntropy)
            return Base(logits, batch, smoothing, weights);
        var targets = ClassTargets.Of(batch);
        return ClassificationLosses.BinaryCrossEntropy(
            logits,
            targets.Soft ?? ClassificationLosses.SmoothLabels(targets.Labels, logits.Size(1), smoothing),
            threshold,
            sumClasses,
            weights
        );
    }

    /// <summary>The cross-entropy of logits against whatever the batch has.</summary>
    internal static Tensor Base(Tensor logits, Batch batch, double smoothing, Tensor? weights = null) =>
        ClassTargets.Of(batch) is { Soft: { } soft }
            ? ClassificationLosses.SoftCrossEntropy(logits, soft, weights)
            : ClassificationLosses.CrossEntropy(logits, ClassTargets.Of(batch).Labels, smoothing, weights: weights);
}

/// <summary>Settings of learning from labels.</summary>
/// <param name="Smoothing">Label smoothing, from 0 (the default) to 0.999.</param>
/// <param name="Loss">cross_entropy (the default) or bce.</param>
/// <param name="Threshold">Bce: targets above it count as 1, others as 0 (0.2 in published recipes); none by default.</param>
/// <param name="SumClasses">Bce: sums over the classes instead of averaging.</param>
/// <param name="ClassWeights">Weights of the classes: <c>balanced</c>, a list, or weights by class name; none by default.</param>
/// <param name="ClassifierOnly">
/// Whether the classifier alone learns, whatever its layers, and the rest is frozen and runs as in prediction; false by default.
/// </param>
/// <param name="AuxiliaryWeight">
/// Weight of the loss of a second classifier that helps in training alone, from 0 to 1000; 0.4 by default. It counts for models that have
/// one.
/// </param>
[RecipeName("supervised")]
public sealed record SupervisedOptions(
    [Range(0, 0.999)] double Smoothing = 0,
    ClassificationLoss Loss = ClassificationLoss.CrossEntropy,
    [Range(0, 1)] double? Threshold = null,
    bool SumClasses = false,
    RecipeNode? ClassWeights = null,
    bool ClassifierOnly = false,
    [Range(0, 1000)] double AuxiliaryWeight = Supervised.AuxiliaryWeight
) : ObjectiveOptions
{
    private readonly ClassWeighting? weighting = ClassWeights is null or RecipeValue { IsNull: true }
        ? null
        : ClassWeighting.Of(ClassWeights);

    /// <summary>Loss against the labels: cross_entropy or bce.</summary>
    public ClassificationLoss Loss { get; init; } =
        Loss == ClassificationLoss.Bce || (Threshold is null && !SumClasses)
            ? Loss
            : throw new ArgumentException("threshold and sum_classes need loss: bce");

    /// <inheritdoc/>
    public override double TargetSmoothing => Smoothing;

    /// <inheritdoc/>
    public override Objective Create(ObjectiveContext context)
    {
        if (weighting is not null && context.Labels is null)
            throw new ArgumentException("objective.class_weights needs training samples with one class each");
        return new Supervised(
            context.Student,
            Smoothing,
            Loss,
            Threshold,
            SumClasses,
            weighting?.Of(context.Labels!),
            ClassifierOnly,
            AuxiliaryWeight
        );
    }
}
