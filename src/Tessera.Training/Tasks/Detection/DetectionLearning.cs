using System.ComponentModel.DataAnnotations;
using Tessera.Data;
using Tessera.Models;
using Tessera.Training.Objectives;
using Tessera.Training.Recipes;

namespace Tessera.Training.Tasks.Detection;

/// <summary>
/// Learning from boxes, and from masks where the model has them. The loss is the sum of the model's own, which the log names. Groups and
/// ignored objects are left out; images without objects are learned from as well, as background.
/// </summary>
/// <param name="student">The model that is trained.</param>
/// <param name="headScale">Factor of the learning rate of everything that is not the backbone.</param>
public sealed class DetectionLearning(Detector student, double headScale = 1) : Objective(student)
{
    /// <summary>The model that is trained.</summary>
    public Detector Student => (Detector)Model;

    /// <inheritdoc/>
    /// <remarks>The losses are means over the boxes of the whole batch.</remarks>
    public override bool MeanOverSamples => false;

    /// <inheritdoc/>
    public override double LearningRateScale(string parameter) =>
        parameter.StartsWith(PyramidModel.BackbonePrefix, StringComparison.Ordinal) ? 1 : headScale;

    /// <inheritdoc/>
    protected override Loss ForwardLoss(Batch batch, Progress progress, Phase phase)
    {
        var targets = LearnedObjects.Of(batch, Student.HasMasks);
        var parts = Student.Losses(batch.Inputs, targets.PerImage);
        return new(parts.Values.Aggregate((sum, part) => sum + part))
        {
            Parts = parts.ToDictionary(part => part.Key, part => part.Value.Detach()),
            Scores = new Dictionary<string, Score>
            {
                // A placeholder has the names of the scores, so that all processes reduce the same figures.
                ["without_objects"] = batch.IsPlaceholder ? default : new(targets.WithoutObjects, batch.Count),
                ["left_out"] = batch.IsPlaceholder ? default : new(targets.LeftOut, targets.All),
            },
        };
    }
}

/// <summary>Learning from boxes, and from masks where the model has them.</summary>
/// <param name="HeadLrScale">
/// Factor of the learning rate of everything that is not the backbone, from 1e-6 to 1e6; 1 by default.
/// </param>
[RecipeName("detection")]
public sealed record DetectionOptions([Range(1e-6, 1e6)] double HeadLrScale = 1) : ObjectiveOptions
{
    /// <inheritdoc/>
    public override Type TargetsType => typeof(BoxTargets);

    /// <inheritdoc/>
    public override Objective Create(ObjectiveContext context)
    {
        if (context.Model is not Detector detector)
            throw new ArgumentException(
                $"objective detection needs a model with a head for detection, not a {context.Model.GetType().Name}"
            );
        if (detector.HasMasks && context.Data?.Annotations is ObjectBoxes { HasMasks: false })
            throw new ArgumentException(
                $"the model learns masks, and {context.Data.Name} ({context.Data.Split}) has objects without: choose a head for boxes "
                    + "alone, such as faster_rcnn in place of mask_rcnn"
            );
        return new DetectionLearning(detector, HeadLrScale);
    }
}
