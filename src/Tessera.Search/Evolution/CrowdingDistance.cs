namespace Tessera.Search.Evolution;

/// <summary>
/// How much room each individual of a front has for itself (Deb et al., 2002, "A fast and elitist multiobjective genetic algorithm:
/// NSGA-II", section III.B).
/// </summary>
public static class CrowdingDistance
{
    /// <summary>The distance of those at the ends of an objective, in place of infinity.</summary>
    public const double Extreme = 1e14;

    /// <summary>
    /// The distances of the individuals of one front: for each objective the next larger value minus the next smaller one, over the range,
    /// and the mean of these. Whoever has the smallest or the largest value of an objective gets <paramref name="extreme"/>. An objective
    /// that is the same for all of more than two says nothing and counts 0.
    /// </summary>
    /// <param name="front">The objectives of each individual, as many for all.</param>
    /// <param name="extreme">Distance of those at the ends.</param>
    public static double[] Of(IReadOnlyList<IReadOnlyList<double>> front, double extreme = Extreme)
    {
        var distances = new double[front.Count];
        if (front.Count <= 2)
        {
            Array.Fill(distances, extreme);
            return distances;
        }
        var objectives = front[0].Count;
        for (var objective = 0; objective < objectives; objective++)
        {
            double[] values = [.. front.Select(individual => individual[objective]).Distinct().Order()];
            if (values.Length == 1)
                continue;
            var range = values[^1] - values[0];
            for (var i = 0; i < front.Count; i++)
            {
                var at = Array.BinarySearch(values, front[i][objective]);
                distances[i] +=
                    at == 0 || at == values.Length - 1 ? double.PositiveInfinity : (values[at + 1] - values[at - 1]) / range / objectives;
            }
        }
        for (var i = 0; i < distances.Length; i++)
            if (double.IsInfinity(distances[i]))
                distances[i] = extreme;
        return distances;
    }
}
