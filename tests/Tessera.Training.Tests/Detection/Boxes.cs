using Tessera.Data;

namespace Tessera.Training.Tests.Detection;

/// <summary>Objects and detections in few words.</summary>
internal static class Boxes
{
    internal static ObjectBox Box(double x, double y, double width, double height) => new(x, y, x + width, y + height);

    internal static ImageObject Truth(double x, double y, double width, double height, int label = 0, bool crowd = false) =>
        new(Box(x, y, width, height), label, IsCrowd: crowd);

    internal static DetectedObject Found(double score, double x, double y, double width, double height, int label = 0) =>
        new(Box(x, y, width, height), label, score);

    /// <summary>The detection that finds an object exactly.</summary>
    internal static DetectedObject Exactly(ImageObject truth, double score) => new(truth.Box, truth.Class, score, truth.Mask);

    /// <summary>Images of random objects and of detections near them, with scores that repeat where asked for.</summary>
    internal static IReadOnlyList<(ImageObject[] Truth, DetectedObject[] Found)> Random(
        int seed,
        int images,
        int classes,
        bool ties = false
    )
    {
        var random = new Random(seed);
        return
        [
            .. Enumerable
                .Range(0, images)
                .Select(_ =>
                {
                    ImageObject[] truth = [.. Enumerable.Range(0, random.Next(6)).Select(_ => Any(random, classes))];
                    DetectedObject[] found =
                    [
                        .. truth.SelectMany(one => Enumerable.Range(0, random.Next(4)).Select(_ => Near(random, one, classes, ties))),
                        .. Enumerable
                            .Range(0, random.Next(4))
                            .Select(_ => Any(random, classes))
                            .Select(one => new DetectedObject(one.Box, one.Class, Score(random, ties))),
                    ];
                    return (truth, found);
                }),
        ];
    }

    private static ImageObject Any(Random random, int classes)
    {
        var side = 1 << random.Next(2, 8);
        return Truth(
            random.Next(200),
            random.Next(200),
            side * (0.5 + random.NextDouble()),
            side * (0.5 + random.NextDouble()),
            random.Next(classes),
            crowd: random.Next(8) == 0
        );
    }

    private static DetectedObject Near(Random random, ImageObject one, int classes, bool ties)
    {
        double Moved(double length) => length * 0.3 * (random.NextDouble() - 0.5);
        var (left, top, right, bottom) = one.Box;
        var (width, height) = (one.Box.Width, one.Box.Height);
        return new(
            new(left + Moved(width), top + Moved(height), right + Moved(width), bottom + Moved(height)),
            random.Next(6) == 0 ? random.Next(classes) : one.Class,
            Score(random, ties)
        );
    }

    private static double Score(Random random, bool ties) => ties ? random.Next(5) / 4.0 : random.NextDouble();
}
