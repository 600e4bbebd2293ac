namespace Tessera.Models.Detection;

/// <summary>
/// Says of each box which object it stands for, by the greatest IoU. Overlaps are computed in float32, as the published detectors do: of
/// boxes that meet an object equally, all stand for it, and equality is a matter of rounding.
/// </summary>
/// <param name="Positive">From this IoU, a box stands for the object that it overlaps most.</param>
/// <param name="Negative">Below this IoU with all objects, a box is background. What lies between counts for nothing.</param>
/// <param name="LeastPositive">IoU that the best boxes of an object need to stand for it even below <paramref name="Positive"/>.</param>
/// <param name="LowQuality">
/// Whether the boxes that overlap an object most stand for it in any case, also where another object claims them. Later objects win.
/// </param>
public sealed record BoxAssigner(double Positive, double Negative, double LeastPositive, bool LowQuality = true)
{
    /// <summary>Of a box that counts for nothing.</summary>
    public const int Neither = -1;

    /// <summary>Of a box that is background.</summary>
    public const int Background = 0;

    /// <summary>Assigns boxes to objects.</summary>
    /// <param name="boxes">[n, 4], on the processor.</param>
    /// <param name="objects">[k, 4], on the processor.</param>
    /// <returns>For each box <see cref="Neither"/>, <see cref="Background"/>, or the object's number from 1; and its greatest IoU.</returns>
    public (int[] Objects, float[] Overlaps) Assign(Tensor boxes, Tensor objects)
    {
        var (all, truth) = (Columns.Of(boxes), Columns.Of(objects));
        var (assigned, best) = (new int[all.Count], new float[all.Count]);
        if (truth.Count == 0)
            return (assigned, best);
        var overlaps = new float[all.Count];
        var most = new float[truth.Count]; // greatest IoU of each object
        var which = new int[all.Count];
        best.AsSpan().Fill(-1);
        for (var k = 0; k < truth.Count; k++)
        {
            Overlaps(all, truth, k, overlaps);
            most[k] = overlaps.Length == 0 ? 0 : overlaps.Max();
            // The first of equal objects stays.
            for (var i = 0; i < overlaps.Length; i++)
                if (overlaps[i] > best[i])
                    (best[i], which[i]) = (overlaps[i], k);
        }
        for (var i = 0; i < assigned.Length; i++)
            assigned[i] =
                best[i] >= (float)Positive ? which[i] + 1
                : best[i] < (float)Negative ? Background
                : Neither;
        // An object that no box meets has no best one.
        for (var k = 0; LowQuality && k < truth.Count; k++)
        {
            if (most[k] < (float)LeastPositive || most[k] <= 0)
                continue;
            Overlaps(all, truth, k, overlaps);
            for (var i = 0; i < overlaps.Length; i++)
                if (overlaps[i] == most[k])
                    assigned[i] = k + 1;
        }
        return (assigned, best);
    }

    private static void Overlaps(Columns boxes, Columns objects, int k, float[] overlaps)
    {
        const float Least = 1e-6f;
        var (left, top, right, bottom) = (objects.Left[k], objects.Top[k], objects.Right[k], objects.Bottom[k]);
        var area = (right - left) * (bottom - top);
        for (var i = 0; i < overlaps.Length; i++)
        {
            var width = Math.Max(Math.Min(right, boxes.Right[i]) - Math.Max(left, boxes.Left[i]), 0);
            var height = Math.Max(Math.Min(bottom, boxes.Bottom[i]) - Math.Max(top, boxes.Top[i]), 0);
            var common = width * height;
            var own = (boxes.Right[i] - boxes.Left[i]) * (boxes.Bottom[i] - boxes.Top[i]);
            overlaps[i] = common / Math.Max(area + own - common, Least);
        }
    }

    private readonly record struct Columns(float[] Left, float[] Top, float[] Right, float[] Bottom)
    {
        internal int Count => Left.Length;

        internal static Columns Of(Tensor boxes)
        {
            using var scope = new Scope();
            var wide = boxes.To(DType.Float32);
            return new(Column(0), Column(1), Column(2), Column(3));

            float[] Column(int place) => wide.Select(1, place).ToArray<float>();
        }
    }
}
