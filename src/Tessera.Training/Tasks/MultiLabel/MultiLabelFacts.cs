namespace Tessera.Training.Tasks.MultiLabel;

/// <summary>Facts about images with any number of classes each that a model depends on.</summary>
/// <param name="Classes">Names of the classes, by number.</param>
/// <param name="Channels">Channels of an image.</param>
/// <param name="Height">Height of the images in pixels; null when they differ.</param>
/// <param name="Width">Width of the images in pixels; null when they differ.</param>
/// <param name="Mean">Mean of each channel, of values in [0, 1].</param>
/// <param name="Deviation">Standard deviation of each channel, of values in [0, 1].</param>
/// <param name="Thresholds">Per class the probability from which the class belongs to an answer, in [0, 1].</param>
/// <param name="Tuned">Whether the thresholds were chosen by a measurement.</param>
public sealed record MultiLabelFacts(
    IReadOnlyList<string> Classes,
    int Channels,
    int? Height,
    int? Width,
    IReadOnlyList<float> Mean,
    IReadOnlyList<float> Deviation,
    IReadOnlyList<double> Thresholds,
    bool Tuned
) : ImageFacts(Classes, Channels, Height, Width, Mean, Deviation)
{
    /// <summary>Per class the probability from which the class belongs to an answer, in [0, 1].</summary>
    /// <exception cref="ArgumentException">There is not one for every class, or one is no probability.</exception>
    public IReadOnlyList<double> Thresholds
    {
        get;
        init => field = Check(value, Classes);
    } = Check(Thresholds, Classes);

    private static IReadOnlyList<double> Check(IReadOnlyList<double>? thresholds, IReadOnlyList<string>? classes)
    {
        if (thresholds is null || thresholds.Count != classes?.Count)
            throw new ArgumentException(
                $"there must be a threshold for each of {classes?.Count ?? 0} classes, not {thresholds?.Count ?? 0}"
            );
        return thresholds.FirstOrDefault(one => !(one is >= 0 and <= 1)) is not 0 and var wrong
            ? throw new ArgumentException(
                System.FormattableString.Invariant($"the threshold {wrong} is no probability: it must be from 0 to 1")
            )
            : thresholds;
    }
}
