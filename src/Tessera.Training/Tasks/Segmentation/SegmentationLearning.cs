using System.ComponentModel.DataAnnotations;
using Tessera.Data;
using Tessera.Models;
using Tessera.Training.Losses;
using Tessera.Training.Objectives;
using Tessera.Training.Recipes;

namespace Tessera.Training.Tasks.Segmentation;

/// <summary>
/// Learning from label maps. The loss of a step is that of all its labelled pixels together, however they are spread over batches and
/// processes; a batch without any has loss 0 and gradient 0, and the log's <c>unlabelled</c> says how many of these there are.
/// </summary>
public class SegmentationLearning : Objective
{
    private readonly IReadOnlyList<SegmentationLoss> losses;
    private readonly IReadOnlyList<float[]?> classWeights;
    private readonly double auxiliaryWeight,
        headScale;

    /// <summary>A segmenter with its losses.</summary>
    /// <param name="student">The model that is trained.</param>
    /// <param name="losses">They are added up.</param>
    /// <param name="classWeights">Weights of the classes for each loss; null for none.</param>
    /// <param name="auxiliaryWeight">Factor of the same losses at the model's auxiliary head, where it has one.</param>
    /// <param name="headScale">Factor of the learning rate of everything that is not the backbone.</param>
    public SegmentationLearning(
        Segmenter student,
        IReadOnlyList<SegmentationLoss> losses,
        IReadOnlyList<float[]?>? classWeights = null,
        double auxiliaryWeight = 0.4,
        double headScale = 1
    )
        : base(student)
    {
        (this.losses, this.auxiliaryWeight, this.headScale) = (losses, auxiliaryWeight, headScale);
        this.classWeights = classWeights ?? [.. losses.Select(_ => (float[]?)null)];
    }

    /// <summary>The model that is trained.</summary>
    public Segmenter Student => (Segmenter)Model;

    /// <inheritdoc/>
    public override double? ForwardPasses => Supervised.OnePass;

    /// <inheritdoc/>
    /// <remarks>Losses other than cross-entropy compare the pixels of a batch with each other.</remarks>
    public override bool MeanOverSamples => losses is [{ IsMeanOverPixels: true }];

    /// <summary>The pixels that count, by the weights of their classes where these are the loss's own.</summary>
    public override double? WeightOf(Batch batch)
    {
        using var scope = new Scope();
        var labels = MaskTargets.Of(batch).Ids;
        return losses.Any(loss => loss is PixelCrossEntropy { OverAll: true }) ? labels.Elements
            : MeanOverSamples ? PixelWeights(labels, classWeights[0]).ToDouble()
            : labels.Ne(LabelMap.Ignored).Sum().ToDouble();
    }

    private static Tensor PixelWeights(Tensor labels, float[]? weights)
    {
        var counted = labels.Ne(LabelMap.Ignored);
        return weights is null
            ? counted.Sum()
            : (
                Tensor
                    .From([.. weights.Select(weight => (double)weight)], weights.Length)
                    .To(labels.Device)
                    .IndexSelect(0, labels.MaskedFill(counted.LogicalNot(), 0).Flatten()) * counted.Flatten()
            ).Sum();
    }

    /// <inheritdoc/>
    public override double LearningRateScale(string parameter) =>
        parameter.StartsWith(PyramidModel.BackbonePrefix, StringComparison.Ordinal) ? 1 : headScale;

    /// <inheritdoc/>
    protected override Loss ForwardLoss(Batch batch, Progress progress, Phase phase)
    {
        var loss = LossOf(Student.Run(new ModelInput(batch.Inputs)), batch);
        // With one loss and no auxiliary head, the loss itself says it.
        return loss.Parts.Count > 1 ? loss : loss with { Parts = new Dictionary<string, Tensor>() };
    }

    /// <summary>The losses of the model's outputs for a batch, with all their parts.</summary>
    /// <param name="outputs">Scores and, in training, those of an auxiliary head.</param>
    /// <param name="batch">The batch with its label maps.</param>
    private protected Loss LossOf(Outputs outputs, Batch batch)
    {
        var labels = MaskTargets.Of(batch).Ids;
        var (total, parts) = Sum(outputs.Logits, labels);
        if (outputs.Named.GetValueOrDefault(Outputs.Auxiliary) is { } auxiliary)
        {
            var (besides, _) = Sum(auxiliary, labels);
            parts["auxiliary"] = besides.Detach();
            total = total + auxiliaryWeight * besides;
        }
        var accuracy = batch.IsPlaceholder ? default : SegmentationLosses.Accuracy(outputs.Logits, labels);
        return new(total)
        {
            Parts = parts,
            Scores = new Dictionary<string, Score>
            {
                ["pixel_accuracy"] = accuracy,
                ["unlabelled"] = batch.IsPlaceholder ? default : new(accuracy.Weight == 0 ? 1 : 0, 1),
            },
        };
    }

    private (Tensor Total, Dictionary<string, Tensor> Parts) Sum(Tensor scores, Tensor labels)
    {
        var parts = new Dictionary<string, Tensor>();
        Tensor? total = null;
        foreach (var (loss, weights) in losses.Zip(classWeights))
        {
            var value = loss.Compute(
                scores,
                labels,
                weights is null
                    ? null
                    : Tensor
                        .From(weights, weights.Length)
                        .To(scores.Device)
                        .To(scores.DType == DType.Float64 ? DType.Float64 : DType.Float32)
            );
            parts[loss.Name] = value.Detach();
            var weighted = loss.Weight == 1 ? value : value * loss.Weight;
            total = total is null ? weighted : total + weighted;
        }
        return (total!, parts);
    }
}

/// <summary>Learning from label maps.</summary>
/// <param name="Loss">cross_entropy (by default), ohem, dice, lovasz, or a list of them, which are added up.</param>
/// <param name="AuxiliaryWeight">Factor of the losses at the auxiliary head of a model that has one, from 0 to 100; 0.4 by default.</param>
/// <param name="HeadLrScale">
/// Factor of the learning rate of everything that is not the backbone, from 1e-6 to 1e6; 10 in SegFormer's recipe, 1 by default.
/// </param>
[RecipeName("segmentation")]
public sealed record SegmentationOptions(
    IReadOnlyList<SegmentationLoss>? Loss = null,
    [Range(0.0, 100)] double AuxiliaryWeight = 0.4,
    [Range(1e-6, 1e6)] double HeadLrScale = 1
) : ObjectiveOptions
{
    /// <summary>How scores are held against the maps.</summary>
    public IReadOnlyList<SegmentationLoss> Loss { get; init; } = Losses(Loss);

    /// <summary>The losses that a recipe names; without any, cross-entropy.</summary>
    /// <exception cref="ArgumentException">One is given twice.</exception>
    internal static IReadOnlyList<SegmentationLoss> Losses(IReadOnlyList<SegmentationLoss>? given) =>
        given is null or [] ? [new PixelCrossEntropy()]
        : given.GroupBy(loss => loss.Name).FirstOrDefault(same => same.Count() > 1) is { Key: var name }
            ? throw new ArgumentException($"loss: {name} is given twice")
        : given;

    /// <inheritdoc/>
    public override Type TargetsType => typeof(MaskTargets);

    /// <inheritdoc/>
    public override Objective Create(ObjectiveContext context) =>
        new SegmentationLearning(StudentOf(context, "segmentation"), Loss, ClassWeights(Loss, context), AuxiliaryWeight, HeadLrScale);

    /// <summary>The model of a context as a segmenter.</summary>
    /// <exception cref="ArgumentException">It is another one.</exception>
    internal static Segmenter StudentOf(ObjectiveContext context, string objective) =>
        context.Model as Segmenter
        ?? throw new ArgumentException(
            $"objective {objective} needs a model with a head for segmentation, not a {context.Model.GetType().Name}"
        );

    /// <summary>Weights of the classes for each loss; null for none.</summary>
    internal static IReadOnlyList<float[]?> ClassWeights(IReadOnlyList<SegmentationLoss> losses, ObjectiveContext context)
    {
        long[]? counted = null;
        return [.. losses.Select(loss => loss.Weighting?.Of(context.Classes ?? [], () => counted ??= Pixels(context), "pixels"))];
    }

    // Pixels of each class in all training maps.
    private static long[] Pixels(ObjectiveContext context)
    {
        var maps =
            context.Data?.Annotations as LabelMaps
            ?? throw new ArgumentException("objective.loss.class_weights cannot be balanced: there are no training maps");
        var counts = new long[256];
        for (var i = 0; i < maps.Count; i++)
        {
            context.Stop.ThrowIfCancellationRequested();
            foreach (var id in maps[i].Ids)
                counts[id]++;
        }
        return counts[..maps.ClassNames.Count];
    }
}
