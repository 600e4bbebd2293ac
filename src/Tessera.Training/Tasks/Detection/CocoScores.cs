using System.Text.Json.Serialization;

namespace Tessera.Training.Tasks.Detection;

/// <summary>
/// Average precision and recall as COCO defines them. Shares are fractions; what is not defined, because there is no object to be found,
/// is -1 and left out of all means.
/// </summary>
public sealed class CocoScores
{
    private const int All = 0,
        Small = 1,
        Medium = 2,
        Large = 3;

    private readonly Figures[] figures;

    // Of one class: precision [area, threshold] as the mean over the recalls, recall at 100 detections [area, threshold] and at fewer
    // [threshold], and the precision at each recall [threshold][recall] for objects of all areas.
    private sealed class Figures(int thresholds)
    {
        internal double[,] Precision { get; } = new double[CocoRules.Areas.Count, thresholds];
        internal double[,] Recall { get; } = new double[CocoRules.Areas.Count, thresholds];
        internal double[] RecallOfOne { get; } = new double[thresholds];
        internal double[] RecallOfTen { get; } = new double[thresholds];
        internal double[][] Curves { get; } = new double[thresholds][];
    }

    internal CocoScores(int classes, IReadOnlyList<double> thresholds, RankedDetections measured)
    {
        (Images, Thresholds) = (measured.Images, thresholds);
        var objects = Enumerable.Range(0, classes).Select(measured.Objects).ToArray();
        var counted = new long[classes];
        figures = new Figures[classes];
        for (var label = 0; label < classes; label++)
        {
            var ranked = measured.Ordered(label);
            (counted[label], figures[label]) = (ranked.Length, Measure(ranked, objects[label]));
        }
        PerClass = [.. figures.Select((own, label) => OfClass([own], objects[label][All], counted[label]))];
        PerSize =
        [
            .. CocoRules.Areas.Select(
                (range, a) => new SizePrecision(range, objects.Sum(own => own[a]), Mean(figures, a), MeanRecall(figures, a))
            ),
        ];
    }

    private ClassPrecision OfClass(Figures[] own, long objects, long detections) =>
        new(
            objects,
            detections,
            Mean(own, All),
            Mean(own, All, 0.5),
            Mean(own, All, 0.75),
            Mean(own, Small),
            Mean(own, Medium),
            Mean(own, Large),
            MeanRecall(own, All)
        );

    /// <summary>Number of images, those without any object included.</summary>
    public int Images { get; }

    /// <summary>Thresholds of the overlap that the means are over.</summary>
    public IReadOnlyList<double> Thresholds { get; }

    /// <summary>Mean average precision over the thresholds and classes.</summary>
    public double Ap => Mean(figures, All);

    /// <summary>The same at the threshold 0.5.</summary>
    public double Ap50 => Mean(figures, All, 0.5);

    /// <summary>The same at the threshold 0.75.</summary>
    public double Ap75 => Mean(figures, All, 0.75);

    /// <summary>Of objects of at most 32 x 32 pixels.</summary>
    public double ApSmall => Mean(figures, Small);

    /// <summary>Of objects from 32 x 32 to 96 x 96 pixels.</summary>
    public double ApMedium => Mean(figures, Medium);

    /// <summary>Of objects of at least 96 x 96 pixels.</summary>
    public double ApLarge => Mean(figures, Large);

    /// <summary>Mean recall where one detection of a class in an image counts.</summary>
    public double Ar1 => Average(figures.SelectMany(own => own.RecallOfOne));

    /// <summary>Mean recall where ten detections of a class in an image count.</summary>
    public double Ar10 => Average(figures.SelectMany(own => own.RecallOfTen));

    /// <summary>Mean recall where 100 detections of a class in an image count.</summary>
    public double Ar100 => MeanRecall(figures, All);

    /// <summary>The same of objects of at most 32 x 32 pixels.</summary>
    public double ArSmall => MeanRecall(figures, Small);

    /// <summary>The same of objects from 32 x 32 to 96 x 96 pixels.</summary>
    public double ArMedium => MeanRecall(figures, Medium);

    /// <summary>The same of objects of at least 96 x 96 pixels.</summary>
    public double ArLarge => MeanRecall(figures, Large);

    /// <summary>The twelve figures, in COCO's order and by the names of the log.</summary>
    [JsonIgnore]
    public IReadOnlyList<(string Name, double Value)> Summary =>
        [
            ("ap", Ap),
            ("ap50", Ap50),
            ("ap75", Ap75),
            ("ap_small", ApSmall),
            ("ap_medium", ApMedium),
            ("ap_large", ApLarge),
            ("ar1", Ar1),
            ("ar10", Ar10),
            ("ar100", Ar100),
            ("ar_small", ArSmall),
            ("ar_medium", ArMedium),
            ("ar_large", ArLarge),
        ];

    /// <summary>Figures of each class, in the order of the classes.</summary>
    [JsonIgnore]
    public IReadOnlyList<ClassPrecision> PerClass { get; }

    /// <summary>Figures by the area of objects: of all, small, medium and large ones.</summary>
    [JsonIgnore]
    public IReadOnlyList<SizePrecision> PerSize { get; }

    /// <summary>Mean average precision over the classes at each threshold.</summary>
    [JsonIgnore]
    public IReadOnlyList<double> PerThreshold =>
        [.. Enumerable.Range(0, Thresholds.Count).Select(t => Average(figures.Select(own => own.Precision[All, t])))];

    /// <summary>Recall of a class at a threshold, where 100 detections of the class in an image count.</summary>
    /// <param name="label">Number of the class.</param>
    /// <param name="threshold">Position among <see cref="Thresholds"/>.</param>
    public double Recall(int label, int threshold) => figures[label].Recall[All, threshold];

    /// <summary>
    /// Precision of a class at the recalls 0, 0.01, ..., 1: the highest at this recall or a higher one, 0 at recalls that are not reached;
    /// all -1 where the class has no object.
    /// </summary>
    /// <param name="label">Number of the class.</param>
    /// <param name="threshold">Position among <see cref="Thresholds"/>.</param>
    public IReadOnlyList<double> Precision(int label, int threshold) => figures[label].Curves[threshold];

    private Figures Measure(RankedDetection[] ranked, long[] objects)
    {
        var result = new Figures(Thresholds.Count);
        var (recalls, precisions) = (new double[ranked.Length], new double[ranked.Length]);
        for (var a = 0; a < CocoRules.Areas.Count; a++)
        for (var t = 0; t < Thresholds.Count; t++)
        {
            double[] curve = [.. Enumerable.Repeat(-1.0, CocoRules.Recalls.Length)];
            var (recall, one, ten) = (-1.0, -1.0, -1.0);
            if (objects[a] > 0)
            {
                var (count, found, foundByOne, foundByTen) = (0, 0L, 0L, 0L);
                var bit = 1UL << (a * Thresholds.Count + t);
                foreach (var detection in ranked)
                {
                    if ((detection.Void & bit) != 0)
                        continue;
                    if ((detection.Found & bit) != 0)
                    {
                        found++;
                        foundByOne += detection.Rank < CocoRules.MaxDetections[0] ? 1 : 0;
                        foundByTen += detection.Rank < CocoRules.MaxDetections[1] ? 1 : 0;
                    }
                    recalls[count] = found / (double)objects[a];
                    precisions[count] = found / (count + 1 + Epsilon);
                    count++;
                }
                (recall, one, ten) = (Share(found, objects[a]), Share(foundByOne, objects[a]), Share(foundByTen, objects[a]));
                Interpolate(recalls.AsSpan(0, count), precisions.AsSpan(0, count), curve);
            }
            (result.Precision[a, t], result.Recall[a, t]) = (curve.Average(), recall);
            if (a == All)
                (result.RecallOfOne[t], result.RecallOfTen[t], result.Curves[t]) = (one, ten, curve);
        }
        return result;
    }

    // What the reference adds to the number of detections: 2^-52.
    private const double Epsilon = 2.220446049250313e-16;

    private static double Share(long found, long objects) => found / (double)objects;

    private static void Interpolate(ReadOnlySpan<double> recalls, Span<double> precisions, double[] curve)
    {
        for (var i = precisions.Length - 1; i > 0; i--)
            precisions[i - 1] = Math.Max(precisions[i - 1], precisions[i]);
        var place = 0;
        for (var r = 0; r < curve.Length; r++)
        {
            while (place < recalls.Length && recalls[place] < CocoRules.Recalls[r])
                place++;
            curve[r] = place < recalls.Length ? precisions[place] : 0;
        }
    }

    private double Mean(IReadOnlyList<Figures> of, int area, double? at = null) =>
        Average(
            of.SelectMany(own =>
                Enumerable.Range(0, Thresholds.Count).Where(t => at is null || Thresholds[t] == at).Select(t => own.Precision[area, t])
            )
        );

    private double MeanRecall(IReadOnlyList<Figures> of, int area) =>
        Average(of.SelectMany(own => Enumerable.Range(0, Thresholds.Count).Select(t => own.Recall[area, t])));

    private static double Average(IEnumerable<double> values) => values.Where(value => value > -1).DefaultIfEmpty(-1).Average();
}

/// <summary>Average precision and recall of one class; -1 where there is no object to be found.</summary>
/// <param name="Objects">Number of objects to be found.</param>
/// <param name="Detections">Number of detections that count: the best 100 of each image.</param>
/// <param name="Ap">Average precision, mean over the thresholds.</param>
/// <param name="Ap50">At the threshold 0.5.</param>
/// <param name="Ap75">At the threshold 0.75.</param>
/// <param name="ApSmall">Of objects of at most 32 x 32 pixels.</param>
/// <param name="ApMedium">Of objects from 32 x 32 to 96 x 96 pixels.</param>
/// <param name="ApLarge">Of objects of at least 96 x 96 pixels.</param>
/// <param name="Ar100">Mean recall over the thresholds.</param>
public sealed record ClassPrecision(
    long Objects,
    long Detections,
    double Ap,
    double Ap50,
    double Ap75,
    double ApSmall,
    double ApMedium,
    double ApLarge,
    double Ar100
);

/// <summary>Average precision and recall of objects of one range of areas; -1 where there is none.</summary>
/// <param name="Range">Their areas.</param>
/// <param name="Objects">Number of objects to be found.</param>
/// <param name="Ap">Mean average precision over the thresholds and classes.</param>
/// <param name="Ar100">Mean recall over the thresholds and classes.</param>
public sealed record SizePrecision(AreaRange Range, long Objects, double Ap, double Ar100);
