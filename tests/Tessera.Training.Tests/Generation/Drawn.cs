using Tessera.Training.Generation;

namespace Tessera.Training.Tests.Generation;

/// <summary>Features and images of a seed.</summary>
internal static class Drawn
{
    /// <summary>Normal numbers [n, d].</summary>
    internal static Tensor Features(int seed, int n, int d)
    {
        var random = new SampleRandom((ulong)(uint)seed, 0, 0);
        var values = new double[n * d];
        for (var i = 0; i < values.Length; i++)
            values[i] = random.Normal();
        return Tensor.From(values, n, d);
    }

    /// <summary>Smooth images [n, 3, side, side] in [0, 1]: a bright half whose side, colour and strength differ.</summary>
    internal static Tensor Images(int seed, int n, int side = 16)
    {
        var values = new float[n * 3 * side * side];
        for (var image = 0; image < n; image++)
        {
            var random = new SampleRandom((ulong)(uint)seed, 0, image);
            var (across, strength) = (random.Chance(0.5), random.Uniform(0.3, 0.9));
            double[] color = [random.NextDouble(), random.NextDouble(), random.NextDouble()];
            for (var i = 0; i < 3 * side * side; i++)
            {
                var (y, x) = (i / side % side, i % side);
                values[image * 3 * side * side + i] = (float)(color[i / (side * side)] * ((across ? x : y) < side / 2 ? strength : 0.1));
            }
        }
        return Tensor.From(values, n, 3, side, side);
    }

    /// <summary>Noise [n, 3, side, side] in [0, 1).</summary>
    internal static Tensor Noise(int seed, int n, int side = 16)
    {
        var random = new SampleRandom((ulong)(uint)seed, 1, 0);
        var values = new float[n * 3 * side * side];
        for (var i = 0; i < values.Length; i++)
            values[i] = (float)random.NextDouble();
        return Tensor.From(values, n, 3, side, side);
    }

    /// <summary>The distance of two sets of features.</summary>
    internal static double Distance(Tensor one, Tensor other)
    {
        using var first = FeatureStatistics.Of(one);
        using var second = FeatureStatistics.Of(other);
        return FrechetDistance.Between(first, second);
    }
}
