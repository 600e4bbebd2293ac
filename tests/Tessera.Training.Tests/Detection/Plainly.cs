using Tessera.Data;

namespace Tessera.Training.Tests.Detection;

/// <summary>
/// COCO's figures of boxes by a plain reading of its rules, one condition after the other and nothing kept: what the fast way is
/// compared with.
/// </summary>
internal static class Plainly
{
    private static readonly (double Least, double Most)[] areas = [(0, 1e10), (0, 1024), (1024, 9216), (9216, 1e10)];

    internal static double[] Measure(int classes, IReadOnlyList<(ImageObject[] Truth, DetectedObject[] Found)> images)
    {
        double[] thresholds = [.. Enumerable.Range(0, 10).Select(i => 0.5 + i * ((0.95 - 0.5) / 9))];
        (double Ap, double Recall)[] At(int area, int most, params double[] over) =>
            [.. over.SelectMany(t => Enumerable.Range(0, classes).Select(label => Of(images, label, areas[area], most, t)))];
        static double Mean(IEnumerable<double> values) => values.Where(value => value >= 0).DefaultIfEmpty(-1).Average();
        double Ap(int area, params double[] over) => Mean(At(area, 100, over).Select(one => one.Ap));
        double Recall(int area, int most) => Mean(At(area, most, thresholds).Select(one => one.Recall));
        return
        [
            Ap(0, thresholds),
            Ap(0, 0.5),
            Ap(0, 0.75),
            .. Enumerable.Range(1, 3).Select(area => Ap(area, thresholds)),
            Recall(0, 1),
            Recall(0, 10),
            .. Enumerable.Range(0, 4).Select(area => Recall(area, 100)),
        ];
    }

    private static (double Ap, double Recall) Of(
        IReadOnlyList<(ImageObject[] Truth, DetectedObject[] Found)> images,
        int label,
        (double Least, double Most) range,
        int most,
        double threshold
    )
    {
        var outcomes = new List<(double Score, bool Right)>();
        var objects = 0;
        foreach (var (truth, found) in images)
        {
            var own = truth.Where(one => one.Class == label).ToList();
            bool Ignored(ImageObject one) => one.IsCrowd || Outside(one.Box.Area);
            bool Outside(double area) => area < range.Least || area > range.Most;
            objects += own.Count(one => !Ignored(one));
            var free = own.ToHashSet(ReferenceEqualityComparer.Instance);
            foreach (var one in found.Where(one => one.Class == label).OrderByDescending(one => one.Score).Take(most))
            {
                // First among the objects that count, then among the others; of equal overlaps the last.
                var match = new[] { false, true }
                    .Select(ignored =>
                        own.Where(other => Ignored(other) == ignored && (other.IsCrowd || free.Contains(other)))
                            .Select(other => (Object: other, Overlap: Iou(one.Box, other)))
                            .Where(pair => pair.Overlap >= threshold)
                            .Reverse()
                            .OrderByDescending(pair => pair.Overlap)
                            .Select(pair => pair.Object)
                            .FirstOrDefault()
                    )
                    .FirstOrDefault(other => other is not null);
                if (match is not null)
                    free.Remove(match);
                if (match is null ? Outside(one.Box.Area) : Ignored(match))
                    continue;
                outcomes.Add((one.Score, match is not null));
            }
        }
        if (objects == 0)
            return (-1, -1);
        var ordered = outcomes.OrderByDescending(one => one.Score).ToArray();
        var points = ordered
            .Select((_, i) => ordered[..(i + 1)].Count(one => one.Right))
            .Select((right, i) => (Recall: right / (double)objects, Precision: right / (i + 1.0)))
            .ToArray();
        return (
            Enumerable
                .Range(0, 101)
                .Average(r => points.Where(point => point.Recall >= r * 0.01).Select(point => point.Precision).DefaultIfEmpty(0).Max()),
            points.Select(point => point.Recall).DefaultIfEmpty(0).Last()
        );
    }

    private static double Iou(ObjectBox box, ImageObject other)
    {
        var width = Math.Min(box.Right, other.Box.Right) - Math.Max(box.Left, other.Box.Left);
        var height = Math.Min(box.Bottom, other.Box.Bottom) - Math.Max(box.Top, other.Box.Top);
        var common = Math.Max(0, width) * Math.Max(0, height);
        return common / (other.IsCrowd ? box.Area : box.Area + other.Box.Area - common);
    }
}
