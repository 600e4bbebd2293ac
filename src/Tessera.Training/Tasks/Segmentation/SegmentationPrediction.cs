using System.Globalization;
using Tessera.Data;

namespace Tessera.Training.Tasks.Segmentation;

/// <summary>A class for each pixel of an image.</summary>
/// <param name="Sample">Name of the image.</param>
/// <param name="Classes">
/// The classes that occur, the largest first, with their shares of the pixels that have a class as <see cref="ScoredClass.Probability"/>.
/// </param>
/// <param name="Map">
/// Class of each pixel of the image at its original size; <see cref="LabelMap.Ignored"/> where the model did not see it.
/// </param>
public sealed record SegmentationPrediction(string Sample, IReadOnlyList<ScoredClass> Classes, LabelMap Map) : Prediction(Sample, Classes)
{
    /// <inheritdoc/>
    public override string Measure => "share";

    /// <summary>The prediction that a map is.</summary>
    /// <param name="sample">Name of the image.</param>
    /// <param name="map">Class of each pixel.</param>
    /// <param name="classes">Name per class.</param>
    internal static SegmentationPrediction Of(string sample, LabelMap map, IReadOnlyList<string> classes)
    {
        var counts = new long[LabelMap.Ignored + 1];
        foreach (var id in map.Ids)
            counts[id]++;
        var (all, unseen) = ((long)map.Ids.Length, counts[LabelMap.Ignored]);
        return new(
            sample,
            [
                .. classes
                    .Select(
                        (name, label) => new ScoredClass(name, label, counts[label] / (double)(all - unseen), Chosen: counts[label] > 0)
                    )
                    .Where(one => one.Chosen)
                    .OrderByDescending(one => one.Probability),
            ],
            map
        )
        {
            Remarks =
                unseen == 0
                    ? []
                    :
                    [
                        string.Create(
                            CultureInfo.InvariantCulture,
                            $"{sample}: evaluation.transforms cut off {100.0 * unseen / all:0.0} % of the pixels, which have no class ({
                                LabelMap.Ignored})"
                        ),
                    ],
        };
    }
}
