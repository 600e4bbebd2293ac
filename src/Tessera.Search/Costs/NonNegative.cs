namespace Tessera.Search.Costs;

/// <summary>Least squares with coefficients of at least 0.</summary>
internal static class NonNegative
{
    private const int MostPasses = 20_000;
    private const double Settled = 1e-12;

    /// <summary>Coefficients whose products with each row add up to nearly 1.</summary>
    /// <param name="rows">At least one, of equal length.</param>
    internal static double[] Fit(IReadOnlyList<double[]> rows)
    {
        var count = rows[0].Length;
        // Columns of very different units, each of length 1.
        double[] scales = [.. Enumerable.Range(0, count).Select(j => Math.Sqrt(rows.Sum(row => row[j] * row[j])))];
        var products = new double[count, count];
        var targets = new double[count];
        foreach (var row in rows)
            for (var j = 0; j < count; j++)
            {
                if (scales[j] == 0)
                    continue;
                targets[j] += row[j] / scales[j];
                for (var k = 0; k < count; k++)
                    if (scales[k] > 0)
                        products[j, k] += row[j] / scales[j] * (row[k] / scales[k]);
            }
        var found = new double[count];
        for (var pass = 0; pass < MostPasses; pass++)
        {
            var moved = 0.0;
            for (var j = 0; j < count; j++)
            {
                if (scales[j] == 0)
                    continue;
                var gradient = targets[j];
                for (var k = 0; k < count; k++)
                    gradient -= products[j, k] * found[k];
                // The diagonal is 1.
                var next = Math.Max(0, found[j] + gradient);
                moved = Math.Max(moved, Math.Abs(next - found[j]));
                found[j] = next;
            }
            if (moved < Settled)
                break;
        }
        return [.. found.Zip(scales, (value, scale) => scale > 0 ? value / scale : 0)];
    }
}
