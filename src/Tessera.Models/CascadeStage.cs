namespace Tessera.Models;

/// <summary>A stage of the second half of a detector.</summary>
/// <param name="Overlap">From this IoU with an object, a box stands for it; below, it is background.</param>
/// <param name="Deviations">What the four differences of boxes are divided by.</param>
/// <param name="Weight">Of the stage's losses.</param>
public sealed record CascadeStage(double Overlap, IReadOnlyList<double> Deviations, double Weight = 1)
{
    /// <summary>From this IoU with an object, a box stands for it.</summary>
    public double Overlap { get; init; } =
        Overlap is > 0 and <= 1 ? Overlap : throw new ArgumentException("overlap must be above 0 and at most 1");

    /// <summary>What the four differences of boxes are divided by.</summary>
    public IReadOnlyList<double> Deviations { get; init; } =
        Deviations.Count == 4 && Deviations.All(value => value > 0)
            ? Deviations
            : throw new ArgumentException("deviations must be four numbers above 0");

    /// <summary>Of the stage's losses.</summary>
    public double Weight { get; init; } = Weight > 0 ? Weight : throw new ArgumentException("weight must be above 0");
}
