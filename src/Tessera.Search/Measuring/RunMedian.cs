namespace Tessera.Search.Measuring;

/// <summary>The median of what several runs show, with its standard error.</summary>
/// <param name="Value">The median.</param>
/// <param name="Error">Its standard error, by the median distance from it.</param>
/// <param name="Runs">Number of runs.</param>
internal readonly record struct RunMedian(double Value, double Error, int Runs)
{
    // Of a normal distribution: its deviation over the median distance, and the error of a median over that of a mean.
    private const double Deviation = 1.4826,
        OfMedian = 1.2533;

    /// <summary>Of single runs.</summary>
    /// <param name="runs">At least one.</param>
    internal static RunMedian Of(IReadOnlyList<double> runs)
    {
        var middle = Median(runs);
        var distance = Median([.. runs.Select(run => Math.Abs(run - middle))]);
        return new(middle, OfMedian * Deviation * distance / Math.Sqrt(runs.Count), runs.Count);
    }

    private static double Median(IReadOnlyList<double> values)
    {
        double[] sorted = [.. values.Order()];
        return (sorted[sorted.Length / 2] + sorted[(sorted.Length - 1) / 2]) / 2;
    }
}
