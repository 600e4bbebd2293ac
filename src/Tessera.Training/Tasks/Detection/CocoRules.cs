namespace Tessera.Training.Tasks.Detection;

/// <summary>A range of the areas of objects, both ends included.</summary>
/// <param name="Name">What such objects are called.</param>
/// <param name="Least">In square pixels.</param>
/// <param name="Most">In square pixels.</param>
public sealed record AreaRange(string Name, double Least, double Most)
{
    /// <summary>Whether an area is outside.</summary>
    internal bool Excludes(double area) => area < Least || area > Most;
}

/// <summary>What COCO's evaluation code (pycocotools 2.0) fixes.</summary>
internal static class CocoRules
{
    /// <summary>The area ranges; the first is of all objects.</summary>
    internal static IReadOnlyList<AreaRange> Areas { get; } =
    [new("all", 0, 1e10), new("small", 0, 32 * 32), new("medium", 32 * 32, 96 * 96), new("large", 96 * 96, 1e10)];

    /// <summary>How many detections of a class in an image count, the best first: recall is told for each of these.</summary>
    internal static IReadOnlyList<int> MaxDetections { get; } = [1, 10, 100];

    /// <summary>Detections of a class in an image that count for everything else.</summary>
    internal const int MostDetections = 100;

    /// <summary>Thresholds of the overlap: 0.5, 0.55, ..., 0.95.</summary>
    internal static IReadOnlyList<double> Thresholds { get; } = Evenly(0.5, 0.95, 10);

    /// <summary>Recalls at which precision is read: 0, 0.01, ..., 1.</summary>
    internal static double[] Recalls { get; } = Evenly(0, 1, 101);

    // As NumPy's linspace rounds: a recall of exactly 0.3, for instance, is below the point 30 * 0.01.
    private static double[] Evenly(double first, double last, int count)
    {
        var step = (last - first) / (count - 1);
        double[] values = [.. Enumerable.Range(0, count).Select(i => i * step + first)];
        values[^1] = last;
        return values;
    }
}
