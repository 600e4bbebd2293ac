using Tessera.Data;

namespace Tessera.Training.Tasks.Detection;

/// <summary>
/// Assigns the detections of one class in one image to its objects, exactly as COCO's evaluation code does: the best detection first, each
/// to the free object of the highest overlap, to an object that does not count only where no other is left.
/// </summary>
/// <param name="thresholds">Of the overlap.</param>
internal sealed class CocoMatching(IReadOnlyList<double> thresholds)
{
    // One bit for each threshold and area range.
    internal static int MostThresholds => 64 / CocoRules.Areas.Count;

    // A detection that overlaps an object by a threshold of 1 matches it in spite of rounding.
    private const double Rounding = 1e-10;

    /// <summary>Matches.</summary>
    /// <param name="image">Number of the image.</param>
    /// <param name="objects">The objects of the class.</param>
    /// <param name="detections">Detections of the class, the highest score first, at most as many as count.</param>
    /// <param name="areas">Area of each detection.</param>
    /// <param name="overlap">Overlap of a detection with an object, by their places.</param>
    internal IEnumerable<RankedDetection> Match(
        long image,
        ImageObject[] objects,
        DetectedObject[] detections,
        double[] areas,
        Func<int, int, double> overlap
    )
    {
        var overlaps = new double[detections.Length * objects.Length];
        for (var d = 0; d < detections.Length; d++)
        for (var g = 0; g < objects.Length; g++)
            overlaps[d * objects.Length + g] = overlap(d, g);
        var (found, voids) = (new ulong[detections.Length], new ulong[detections.Length]);
        for (var a = 0; a < CocoRules.Areas.Count; a++)
        {
            var range = CocoRules.Areas[a];
            bool[] ignored = [.. objects.Select(one => !Counts(one, range))];
            // Objects that count come first; the order is otherwise that of the file.
            int[] order = [.. Enumerable.Range(0, objects.Length).OrderBy(g => ignored[g])];
            for (var t = 0; t < thresholds.Count; t++)
            {
                var bit = 1UL << (a * thresholds.Count + t);
                var taken = new bool[objects.Length];
                for (var d = 0; d < detections.Length; d++)
                {
                    var match = Best(thresholds[t], overlaps.AsSpan(d * objects.Length, objects.Length), order, ignored, taken, objects);
                    if (match >= 0)
                    {
                        taken[match] = true;
                        found[d] |= bit;
                    }
                    if (match >= 0 ? ignored[match] : range.Excludes(areas[d]))
                        voids[d] |= bit;
                }
            }
        }
        return detections.Select((one, d) => new RankedDetection(image, d, one.Score, found[d], voids[d]));
    }

    /// <summary>Whether an object is one to be found in an area range.</summary>
    internal static bool Counts(ImageObject one, AreaRange range) => one.IsTrained && !range.Excludes(one.Area ?? one.Box.Area);

    private static int Best(
        double threshold,
        ReadOnlySpan<double> overlaps,
        int[] order,
        bool[] ignored,
        bool[] taken,
        ImageObject[] objects
    )
    {
        var (best, match) = (Math.Min(threshold, 1 - Rounding), -1);
        foreach (var g in order)
        {
            if (taken[g] && !objects[g].IsCrowd)
                continue;
            if (match >= 0 && !ignored[match] && ignored[g])
                break;
            // Of equal overlaps the later object is taken.
            if (overlaps[g] < best)
                continue;
            (best, match) = (overlaps[g], g);
        }
        return match;
    }
}
