namespace Tessera.Training.Generation;

/// <summary>A mean with its deviation.</summary>
/// <param name="Mean">Over the parts.</param>
/// <param name="Deviation">Of the parts, with their number as divisor.</param>
public readonly record struct ScoreWithDeviation(double Mean, double Deviation)
{
    internal static ScoreWithDeviation Of(IReadOnlyCollection<double> parts)
    {
        var mean = parts.Average();
        return new(mean, Math.Sqrt(parts.Average(part => (part - mean) * (part - mean))));
    }
}
