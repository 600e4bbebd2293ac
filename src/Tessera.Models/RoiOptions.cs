using System.ComponentModel.DataAnnotations;

namespace Tessera.Models;

/// <summary>The second stage of a detector of two: which proposals learn, and which of its boxes are given out.</summary>
/// <param name="Sampled">Proposals of an image that the loss counts.</param>
/// <param name="PositiveShare">Largest share of them that stands for objects.</param>
/// <param name="Score">Boxes with a higher score alone are given out.</param>
/// <param name="Overlap">Of boxes of one class that overlap by more than this IoU, the likeliest is given out.</param>
/// <param name="Detections">Most objects of an image.</param>
public sealed record RoiOptions(
    [Range(1, int.MaxValue)] int Sampled = 512,
    [Range(0.0, 1.0)] double PositiveShare = 0.25,
    [Range(0.0, 1.0)] double Score = 0.05,
    [Range(0.0, 1.0)] double Overlap = 0.5,
    [Range(1, int.MaxValue)] int Detections = 100
);
