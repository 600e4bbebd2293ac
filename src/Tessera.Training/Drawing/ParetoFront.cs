namespace Tessera.Training.Drawing;

/// <summary>What none excels in two respects at once.</summary>
internal static class ParetoFront
{
    /// <summary>Points that none excels in both coordinates, by x.</summary>
    /// <param name="points">x and y; y is the better the higher.</param>
    /// <param name="lowX">Whether x is the better the lower.</param>
    public static IReadOnlyList<int> Of(IReadOnlyList<(double X, double Y)> points, bool lowX)
    {
        var best = double.NegativeInfinity;
        List<int> front = [];
        foreach (var (i, point) in points.Index().OrderBy(p => lowX ? p.Item.X : -p.Item.X).ThenByDescending(p => p.Item.Y))
        {
            if (point.Y <= best)
                continue;
            best = point.Y;
            front.Add(i);
        }
        return [.. front.OrderBy(i => points[i].X)];
    }
}
