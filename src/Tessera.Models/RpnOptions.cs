using System.ComponentModel.DataAnnotations;

namespace Tessera.Models;

/// <summary>The first stage of a detector of two: anchors, what they learn, and how many of them are proposed.</summary>
/// <param name="Scales">Sides of anchors in strides of their level; null for 8.</param>
/// <param name="Ratios">Height over width of anchors; null for 0.5, 1 and 2.</param>
/// <param name="Sampled">Anchors of an image that the loss counts.</param>
/// <param name="PositiveShare">Largest share of them that stands for objects.</param>
/// <param name="Positive">From this IoU, an anchor stands for an object.</param>
/// <param name="Negative">Below this IoU with every object, it is background.</param>
/// <param name="LeastPositive">IoU that the best anchors of an object need to stand for it in any case.</param>
/// <param name="InsideOnly">
/// Whether only anchors within the image learn; null for what is published with the head: yes in a cascade, no otherwise.
/// </param>
/// <param name="Beta">
/// Where the loss of boxes begins to be the plain distance; null for what is published with the head: 1/9 in a cascade and in
/// torchvision, 0 otherwise.
/// </param>
/// <param name="TrainingCandidates">In training, the likeliest anchors of each level that are looked at.</param>
/// <param name="TrainingProposals">
/// In training, proposals of an image; null for what is published with the head: 2000 in a cascade, else 1000.
/// </param>
/// <param name="Candidates">In evaluation, the likeliest anchors of each level that are looked at.</param>
/// <param name="Proposals">In evaluation, proposals of an image.</param>
/// <param name="Overlap">Of boxes of one level that overlap by more than this IoU, the likeliest is proposed.</param>
public sealed record RpnOptions(
    IReadOnlyList<double>? Scales = null,
    IReadOnlyList<double>? Ratios = null,
    [Range(1, int.MaxValue)] int Sampled = 256,
    [Range(0.0, 1.0)] double PositiveShare = 0.5,
    [Range(0.0, 1.0)] double Positive = 0.7,
    [Range(0.0, 1.0)] double Negative = 0.3,
    [Range(0.0, 1.0)] double LeastPositive = 0.3,
    bool? InsideOnly = null,
    [Range(0.0, 1e6)] double? Beta = null,
    [Range(1, int.MaxValue)] int TrainingCandidates = 2000,
    [Range(1, int.MaxValue)] int? TrainingProposals = null,
    [Range(1, int.MaxValue)] int Candidates = 1000,
    [Range(1, int.MaxValue)] int Proposals = 1000,
    [Range(0.0, 1.0)] double Overlap = 0.7
)
{
    /// <summary>Sides of anchors in strides of their level.</summary>
    public IReadOnlyList<double>? Scales { get; init; } = Positives(Scales, "scales");

    /// <summary>Height over width of anchors.</summary>
    public IReadOnlyList<double>? Ratios { get; init; } = Positives(Ratios, "ratios");

    private static IReadOnlyList<double>? Positives(IReadOnlyList<double>? values, string field) =>
        values is null || (values.Count > 0 && values.All(value => value > 0 && double.IsFinite(value)))
            ? values
            : throw new ArgumentException($"{field} must be one or more numbers above 0");
}
