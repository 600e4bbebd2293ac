using System.ComponentModel.DataAnnotations;
using Tessera.Training.Losses;
using Tessera.Training.Objectives;
using Tessera.Training.Recipes;

namespace Tessera.Training.Tasks.Segmentation;

/// <summary>A loss of scores against label maps. Several are added up.</summary>
/// <param name="Weight">Factor of this loss in the sum, from 1e-6 to 1e6; 1 by default.</param>
public abstract record SegmentationLoss(double Weight)
{
    /// <summary>Name of the loss in the log.</summary>
    internal abstract string Name { get; }

    /// <summary>Whether it is a mean over pixels, so that a batch may pass in parts.</summary>
    internal virtual bool IsMeanOverPixels => false;

    /// <summary>How much the classes count; null for all the same.</summary>
    internal virtual ClassWeighting? Weighting => null;

    /// <summary>The loss of a batch without its factor, a scalar.</summary>
    /// <param name="scores">[B, C, h, w].</param>
    /// <param name="labels">int64, [B, H, W].</param>
    /// <param name="classWeights">[C]; null for all the same.</param>
    internal abstract Tensor Compute(Tensor scores, Tensor labels, Tensor? classWeights);

    /// <summary>What a recipe says of class weights.</summary>
    private protected static ClassWeighting? WeightingOf(RecipeNode? given) =>
        given is null or RecipeValue { IsNull: true } ? null : ClassWeighting.Of(given);
}

/// <summary>Cross-entropy of every pixel, divided by the pixels that count.</summary>
/// <param name="Weight">Factor of this loss in the sum, from 1e-6 to 1e6; 1 by default.</param>
/// <param name="ClassWeights">
/// Weights of the classes: <c>balanced</c> (by their pixels in the training maps), a list, or weights by class name; none by default.
/// </param>
/// <param name="OverAll">
/// Divides by all pixels, ignored ones included, as mmsegmentation does by default; the published recipes were tuned with it.
/// </param>
[RecipeName("cross_entropy")]
public sealed record PixelCrossEntropy([Range(1e-6, 1e6)] double Weight = 1, RecipeNode? ClassWeights = null, bool OverAll = false)
    : SegmentationLoss(Weight)
{
    private readonly ClassWeighting? weighting = WeightingOf(ClassWeights);

    internal override string Name => "cross_entropy";

    internal override bool IsMeanOverPixels => !OverAll;

    internal override ClassWeighting? Weighting => weighting;

    internal override Tensor Compute(Tensor scores, Tensor labels, Tensor? classWeights) =>
        SegmentationLosses.CrossEntropy(scores, labels, classWeights, overAll: OverAll).Mean();
}

/// <summary>
/// Cross-entropy of the hard pixels of a batch alone. Each process of several looks for its own, as in the papers.
/// </summary>
/// <param name="Weight">Factor of this loss in the sum, from 1e-6 to 1e6; 1 by default.</param>
/// <param name="Threshold">Pixels with a lower probability of their class are hard, from 0 to 1; 0.7 by default.</param>
/// <param name="AtLeast">Pixels per image that count at least, the hardest of the batch; 100,000 by default.</param>
/// <param name="ClassWeights">Weights of the classes, as of cross_entropy; none by default.</param>
[RecipeName("ohem")]
public sealed record HardPixelCrossEntropy(
    [Range(1e-6, 1e6)] double Weight = 1,
    [Range(0.0, 1)] double Threshold = 0.7,
    [Range(0, int.MaxValue)] int AtLeast = 100_000,
    RecipeNode? ClassWeights = null
) : SegmentationLoss(Weight)
{
    private readonly ClassWeighting? weighting = WeightingOf(ClassWeights);

    internal override string Name => "ohem";

    internal override ClassWeighting? Weighting => weighting;

    internal override Tensor Compute(Tensor scores, Tensor labels, Tensor? classWeights) =>
        SegmentationLosses.HardPixels(scores, labels, Threshold, AtLeast, classWeights).Mean();
}

/// <summary>Soft Dice loss, mean over the classes.</summary>
/// <param name="Weight">Factor of this loss in the sum, from 1e-6 to 1e6; 1 by default.</param>
/// <param name="Smooth">Added to overlap and sizes, from 1e-6 to 1e6; 1 by default.</param>
[RecipeName("dice")]
public sealed record DiceLoss([Range(1e-6, 1e6)] double Weight = 1, [Range(1e-6, 1e6)] double Smooth = 1) : SegmentationLoss(Weight)
{
    internal override string Name => "dice";

    internal override Tensor Compute(Tensor scores, Tensor labels, Tensor? classWeights) => SegmentationLosses.Dice(scores, labels, Smooth);
}

/// <summary>Lovász-softmax, a surrogate of the mean IoU of a batch.</summary>
/// <param name="Weight">Factor of this loss in the sum, from 1e-6 to 1e6; 1 by default.</param>
[RecipeName("lovasz")]
public sealed record LovaszLoss([Range(1e-6, 1e6)] double Weight = 1) : SegmentationLoss(Weight)
{
    internal override string Name => "lovasz";

    internal override Tensor Compute(Tensor scores, Tensor labels, Tensor? classWeights) => SegmentationLosses.Lovasz(scores, labels);
}
