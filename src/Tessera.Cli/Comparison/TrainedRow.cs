using Tessera.Models;
using Tessera.Models.Measurement;
using Tessera.Training.Reports;

namespace Tessera.Cli.Comparison;

/// <summary>A model that was trained.</summary>
/// <param name="Summary">Its run.</param>
/// <param name="Options">Classes, channels and size of the model, or of the backbone under a head.</param>
/// <param name="Whole">Cost of the model with its head; null without a head.</param>
internal sealed record TrainedRow(RunSummary Summary, ModelOptions Options, ModelCost? Whole)
{
    // Of detectors, by overlap, by size and of masks.
    private const string Detections = "ap",
        Masks = "mask_ap";

    /// <summary>Figures of the last evaluation beside the primary score, by name.</summary>
    internal IReadOnlyDictionary<string, double> Further =>
        Summary.Primary == Detections && Summary.Curves.Evaluations is [.., var measured]
            ? measured
                .Where(one =>
                    one.Key != Detections
                    && (one.Key.StartsWith(Detections, StringComparison.Ordinal) || one.Key.StartsWith(Masks, StringComparison.Ordinal))
                )
                .ToDictionary(one => one.Key, one => (double)one.Value!)
            : new Dictionary<string, double>();
}
