using System.Globalization;
using System.Runtime.InteropServices;

namespace Tessera.Data;

/// <summary>
/// Drawing of polygons as COCO does it: points are rounded to fifths of a pixel, and a pixel belongs to the polygon where its centre
/// does.
/// </summary>
internal static class MaskPolygon
{
    /// <summary>Points that a polygon needs at least.</summary>
    internal const int LeastPoints = 3;

    // Parts of a pixel.
    private const int Scale = 5;

    // Of a point from the origin, in pixels: no image reaches so far, and a line to it takes long to draw.
    private const double Farthest = 1 << 20;

    /// <summary>The points of a polygon as drawing rounds them: x1, y1, x2, y2, ...</summary>
    /// <param name="coordinates">In pixels, in the same order.</param>
    /// <exception cref="DataException">Too few or an odd number of coordinates, or one that is no number or far from any image.</exception>
    internal static int[] Points(IReadOnlyList<double> coordinates)
    {
        if (coordinates.Count % 2 != 0 || coordinates.Count < 2 * LeastPoints)
            throw new DataException(
                $"a polygon has {coordinates.Count} coordinates: it must have an even number, and at least {2 * LeastPoints}"
            );
        var points = new int[coordinates.Count];
        for (var i = 0; i < points.Length; i++)
        {
            if (!(Math.Abs(coordinates[i]) <= Farthest))
                throw new DataException(
                    string.Create(
                        CultureInfo.InvariantCulture,
                        $"a polygon has the coordinate {coordinates[i]}: it must be within {Farthest} pixels"
                    )
                );
            points[i] = (int)(Scale * coordinates[i] + 0.5);
        }
        return points;
    }

    /// <summary>Run lengths of a polygon.</summary>
    /// <param name="points">By <see cref="Points"/>.</param>
    /// <param name="size">Of the image.</param>
    internal static int[] Runs(ReadOnlySpan<int> points, ImageSize size)
    {
        // Where the outline crosses the middle of a column, the other side of the outline begins.
        var crossings = new List<int>();
        var (lastU, lastV, isFirst) = (0, 0, true);
        for (var i = 0; i < points.Length; i += 2)
        {
            var next = (i + 2) % points.Length;
            var (xs, ys, xe, ye) = (points[i], points[i + 1], points[next], points[next + 1]);
            var (dx, dy) = (Math.Abs(xe - xs), Math.Abs(ys - ye));
            var isFlat = dx >= dy;
            var isFlipped = isFlat ? xs > xe : ys > ye;
            if (isFlipped)
                (xs, ys, xe, ye) = (xe, ye, xs, ys);
            var steps = isFlat ? dx : dy;
            var slope =
                steps == 0 ? 0.0
                : isFlat ? (double)(ye - ys) / dx
                : (double)(xe - xs) / dy;
            for (var d = 0; d <= steps; d++)
            {
                var t = isFlipped ? steps - d : d;
                var (u, v) = isFlat ? (t + xs, (int)(ys + slope * t + 0.5)) : ((int)(xs + slope * t + 0.5), t + ys);
                if (!isFirst && u != lastU && Crossing(lastU, lastV, u, v, size) is { } place)
                    crossings.Add(place);
                (lastU, lastV, isFirst) = (u, v, false);
            }
        }
        crossings.Add(size.Width * size.Height);
        crossings.Sort();
        for (var i = crossings.Count - 1; i > 0; i--)
            crossings[i] -= crossings[i - 1];
        return MaskRuns.Joined(CollectionsMarshal.AsSpan(crossings));
    }

    // The middle of column c is at 5 c + 2, that of row r at 5 r + 2.
    private static int? Crossing(int lastU, int lastV, int u, int v, ImageSize size)
    {
        var (column, rest) = Math.DivRem((u < lastU ? u : u - 1) - Scale / 2, Scale);
        if (rest != 0 || column < 0 || column >= size.Width)
            return null;
        var row = Math.Min(v, lastV) - Scale / 2;
        row = row <= 0 ? 0 : (row + Scale - 1) / Scale;
        return column * size.Height + Math.Min(row, size.Height);
    }
}
