using Tessera.Data;

namespace Tessera.Training.Tasks.Detection;

/// <summary>The objects that a model sees in an image.</summary>
/// <param name="Sample">Name of the image.</param>
/// <param name="Classes">The objects that are shown, the likeliest first: class, score and box of each.</param>
/// <param name="Size">Height and width of the image.</param>
/// <param name="Objects">
/// All objects, also those with scores below the threshold, the likeliest first; boxes in pixels of the image.
/// </param>
/// <param name="Threshold">Score from which objects are shown.</param>
public sealed record DetectionPrediction(
    string Sample,
    IReadOnlyList<ScoredClass> Classes,
    ImageSize Size,
    IReadOnlyList<DetectedObject> Objects,
    double Threshold
) : Prediction(Sample, Classes)
{
    /// <inheritdoc/>
    public override string Measure => "score";

    /// <summary>The objects with a score of at least the threshold.</summary>
    public IEnumerable<DetectedObject> Shown => Objects.Where(one => one.Score >= Threshold);

    /// <summary>The prediction that objects are.</summary>
    internal static DetectionPrediction Of(
        string sample,
        ImageSize size,
        IReadOnlyList<DetectedObject> objects,
        DetectionFacts facts,
        double threshold
    ) =>
        new(
            sample,
            [
                .. objects
                    .Where(one => one.Score >= threshold)
                    .Select(one => new ScoredClass(facts.Classes[one.Class], one.Class, one.Score, Chosen: true) { Box = one.Box }),
            ],
            size,
            objects,
            threshold
        );
}
