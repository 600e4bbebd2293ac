namespace Tessera.Search.Statistics;

/// <summary>Student's t distribution for whole degrees of freedom.</summary>
internal static class StudentT
{
    /// <summary>How far from 0 a value lies at most with a probability.</summary>
    /// <param name="probability">Above 0 and below 1.</param>
    /// <param name="degrees">Degrees of freedom, at least 1.</param>
    internal static double Reach(double probability, int degrees)
    {
        var (low, high) = (0.0, 1.0);
        while (Within(high, degrees) < probability)
            high *= 2;
        while (high - low > 1e-12 * high)
        {
            var middle = (low + high) / 2;
            (low, high) = Within(middle, degrees) < probability ? (middle, high) : (low, middle);
            if (middle == low && middle == high)
                break;
        }
        return high;
    }

    /// <summary>Probability of a value between -t and t (Abramowitz and Stegun, 26.7.3 and 26.7.4).</summary>
    /// <param name="t">At least 0.</param>
    /// <param name="degrees">Degrees of freedom, at least 1.</param>
    internal static double Within(double t, int degrees)
    {
        var angle = Math.Atan(t / Math.Sqrt(degrees));
        var (sine, cosine) = (Math.Sin(angle), Math.Cos(angle));
        var odd = degrees % 2 == 1;
        var (sum, term) = (0.0, odd ? cosine : 1.0);
        for (var k = odd ? 1 : 0; k <= degrees - 2; k += 2)
        {
            sum += term;
            term *= (k + 1.0) / (k + 2.0) * cosine * cosine;
        }
        return odd ? 2 / Math.PI * (angle + sine * sum) : sine * sum;
    }
}
