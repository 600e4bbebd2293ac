namespace Tessera.Training.Tasks.Detection;

/// <summary>Average precision as Pascal VOC defines it. Shares are fractions; what is not defined is -1 and left out of the mean.</summary>
/// <param name="Images">Number of images, those without any object included.</param>
/// <param name="Form">How precision becomes a figure.</param>
/// <param name="Threshold">Overlap from which an object is found.</param>
/// <param name="PerClass">Figures of each class, in the order of the classes.</param>
public sealed record VocScores(int Images, VocForm Form, double Threshold, IReadOnlyList<VocClass> PerClass)
{
    /// <summary>Mean average precision of the classes that have objects; -1 where none has.</summary>
    public double Map => PerClass.Where(own => own.Objects > 0).Select(own => own.Ap).DefaultIfEmpty(-1).Average();
}

/// <summary>Average precision of one class.</summary>
/// <param name="Objects">Number of objects to be found.</param>
/// <param name="Found">Number of objects that were found.</param>
/// <param name="Wrong">Number of detections that found none.</param>
/// <param name="Ap">Average precision; -1 where there is no object.</param>
/// <param name="Curve">Recall and precision at each detection that counts, the highest score first.</param>
public sealed record VocClass(long Objects, long Found, long Wrong, double Ap, IReadOnlyList<(double Recall, double Precision)> Curve)
{
    private const int Points = 11;

    internal static VocClass Of(VocForm form, long objects, RankedDetection[] ranked)
    {
        var (found, wrong) = (0L, 0L);
        var curve = new List<(double Recall, double Precision)>();
        foreach (var detection in ranked.Where(one => one.Void == 0))
        {
            if (detection.Found != 0)
                found++;
            else
                wrong++;
            if (objects > 0)
                curve.Add((found / (double)objects, found / (double)(found + wrong)));
        }
        var ap =
            objects == 0 ? -1
            : form == VocForm.Area ? Area(curve)
            : ElevenPoints(curve);
        return new(objects, found, wrong, ap, curve);
    }

    private static double ElevenPoints(List<(double Recall, double Precision)> curve)
    {
        // The points are 0, 1 * 0.1, 2 * 0.1, ...: the third is above 0.3 by a rounding, in all implementations that are compared with.
        const double Step = 0.1;
        return Enumerable
            .Range(0, Points)
            .Average(i => curve.Where(point => point.Recall >= i * Step).Select(point => point.Precision).DefaultIfEmpty(0).Max());
    }

    private static double Area(List<(double Recall, double Precision)> curve)
    {
        var (area, best) = (0.0, 0.0);
        for (var i = curve.Count - 1; i >= 0; i--)
        {
            best = Math.Max(best, curve[i].Precision);
            area += (curve[i].Recall - (i > 0 ? curve[i - 1].Recall : 0)) * best;
        }
        return area;
    }
}
