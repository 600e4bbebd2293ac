using System.Numerics;

namespace Tessera.Models.Detection;

/// <summary>
/// Says of each box which object it stands for, by the greatest IoU. Of boxes that meet an object equally all stand for it, and equality
/// is a matter of rounding: overlaps are computed in the published order of operations, areas in the boxes' own type (float32 of anchors)
/// and all else in the wider one of both.
/// </summary>
/// <param name="Positive">From this IoU, a box stands for the object that it overlaps most.</param>
/// <param name="Negative">Below this IoU with all objects, a box is background. What lies between counts for nothing.</param>
/// <param name="LeastPositive">IoU that the best boxes of an object need to stand for it even below <paramref name="Positive"/>.</param>
/// <param name="LowQuality">
/// Whether the boxes that overlap an object most stand for it in any case, also where another object claims them. Later objects win.
/// </param>
/// <param name="NearestWins">
/// Whether such a box stands for the object that it overlaps most instead, as in torchvision.
/// </param>
public sealed record BoxAssigner(double Positive, double Negative, double LeastPositive, bool LowQuality = true, bool NearestWins = false)
{
    /// <summary>Of a box that counts for nothing.</summary>
    public const int Neither = -1;

    /// <summary>Of a box that is background.</summary>
    public const int Background = 0;

    /// <summary>Assigns boxes to objects.</summary>
    /// <param name="boxes">[n, 4], on the processor.</param>
    /// <param name="objects">[k, 4], on the processor.</param>
    /// <returns>For each box <see cref="Neither"/>, <see cref="Background"/>, or its object's number from 1; and its greatest IoU.</returns>
    public (int[] Objects, double[] Overlaps) Assign(Tensor boxes, Tensor objects)
    {
        if (boxes.DType == DType.Float64 || objects.DType == DType.Float64)
        {
            var wide = Columns<double>.Of(boxes);
            var areas =
                boxes.DType == DType.Float64 ? wide.Areas() : Array.ConvertAll(Columns<float>.Of(boxes).Areas(), area => (double)area);
            return Assign(wide, areas, Columns<double>.Of(objects), 1e-6);
        }
        var narrow = Columns<float>.Of(boxes);
        var (assigned, best) = Assign(narrow, narrow.Areas(), Columns<float>.Of(objects), 1e-6f);
        return (assigned, Array.ConvertAll(best, overlap => (double)overlap));
    }

    private (int[], T[]) Assign<T>(Columns<T> boxes, T[] own, Columns<T> objects, T least)
        where T : unmanaged, INumber<T>
    {
        var (assigned, best) = (new int[boxes.Count], new T[boxes.Count]);
        if (objects.Count == 0 || boxes.Count == 0)
            return (assigned, best);
        var (overlaps, nearest) = (new T[boxes.Count], new int[boxes.Count]);
        var most = new T[objects.Count]; // greatest IoU of each object
        for (var k = 0; k < objects.Count; k++)
        {
            most[k] = Overlaps(boxes, own, objects, k, least, overlaps);
            Rise(overlaps, best, nearest, k);
        }
        var (positive, negative, leastPositive) = (T.CreateChecked(Positive), T.CreateChecked(Negative), T.CreateChecked(LeastPositive));
        for (var i = 0; i < assigned.Length; i++)
            assigned[i] =
                best[i] >= positive ? nearest[i] + 1
                : best[i] < negative ? Background
                : Neither;
        for (var k = 0; LowQuality && k < objects.Count; k++)
        {
            if (most[k] < leastPositive)
                continue;
            Overlaps(boxes, own, objects, k, least, overlaps);
            for (var i = Find(overlaps, most[k], 0); i >= 0; i = Find(overlaps, most[k], i + 1))
                assigned[i] = (NearestWins ? nearest[i] : k) + 1;
        }
        return (assigned, best);
    }

    private static int Find<T>(T[] values, T wanted, int from)
        where T : unmanaged, INumber<T>
    {
        var place = values.AsSpan(from).IndexOf(wanted);
        return place < 0 ? -1 : from + place;
    }

    // IoUs with an object, and the greatest of them.
    private static T Overlaps<T>(Columns<T> boxes, T[] areas, Columns<T> objects, int k, T least, T[] overlaps)
        where T : unmanaged, INumber<T>
    {
        var (left, top, right, bottom) = (objects.Left[k], objects.Top[k], objects.Right[k], objects.Bottom[k]);
        var area = (right - left) * (bottom - top);
        var most = T.Zero;
        var i = 0;
        if (overlaps.Length >= Vector<T>.Count)
        {
            var (lefts, tops, rights, bottoms) = (new Vector<T>(left), new Vector<T>(top), new Vector<T>(right), new Vector<T>(bottom));
            var (wide, floor, greatest) = (new Vector<T>(area), new Vector<T>(least), Vector<T>.Zero);
            for (; i <= overlaps.Length - Vector<T>.Count; i += Vector<T>.Count)
            {
                var width = Vector.Min(rights, new Vector<T>(boxes.Right, i)) - Vector.Max(lefts, new Vector<T>(boxes.Left, i));
                var height = Vector.Min(bottoms, new Vector<T>(boxes.Bottom, i)) - Vector.Max(tops, new Vector<T>(boxes.Top, i));
                var common = Vector.Max(width, Vector<T>.Zero) * Vector.Max(height, Vector<T>.Zero);
                var overlap = common / Vector.Max(wide + new Vector<T>(areas, i) - common, floor);
                greatest = Vector.Max(greatest, overlap);
                overlap.CopyTo(overlaps, i);
            }
            for (var lane = 0; lane < Vector<T>.Count; lane++)
                most = T.Max(most, greatest[lane]);
        }
        for (; i < overlaps.Length; i++)
        {
            var width = T.Max(T.Min(right, boxes.Right[i]) - T.Max(left, boxes.Left[i]), T.Zero);
            var height = T.Max(T.Min(bottom, boxes.Bottom[i]) - T.Max(top, boxes.Top[i]), T.Zero);
            var common = width * height;
            overlaps[i] = common / T.Max(area + areas[i] - common, least);
            most = T.Max(most, overlaps[i]);
        }
        return most;
    }

    // Takes over what is greater; the first of equal objects stays. Most boxes do not meet an object: they are passed over together.
    private static void Rise<T>(T[] overlaps, T[] best, int[] nearest, int k)
        where T : unmanaged, INumber<T>
    {
        var i = 0;
        for (; i <= overlaps.Length - Vector<T>.Count; i += Vector<T>.Count)
            if (Vector.GreaterThanAny(new Vector<T>(overlaps, i), new Vector<T>(best, i)))
                Each(i, i + Vector<T>.Count);
        Each(i, overlaps.Length);

        void Each(int from, int to)
        {
            for (var j = from; j < to; j++)
                if (overlaps[j] > best[j])
                    (best[j], nearest[j]) = (overlaps[j], k);
        }
    }

    private readonly record struct Columns<T>(T[] Left, T[] Top, T[] Right, T[] Bottom)
        where T : unmanaged, INumber<T>
    {
        internal int Count => Left.Length;

        internal static Columns<T> Of(Tensor boxes)
        {
            using var scope = new Scope();
            return new(Column(0), Column(1), Column(2), Column(3));

            T[] Column(int place) => boxes.Select(1, place).ToArray<T>();
        }

        internal T[] Areas()
        {
            var areas = new T[Count];
            for (var i = 0; i < areas.Length; i++)
                areas[i] = (Right[i] - Left[i]) * (Bottom[i] - Top[i]);
            return areas;
        }
    }
}
