namespace Tessera.Benchmarks;

/// <summary>
/// Unit vectors like descriptors of pictures: around centres that many vectors share, spread over fewer directions than they have
/// numbers, with a little noise in all. The same seed gives the same vectors, whatever the number of threads.
/// </summary>
internal sealed class ClusteredVectors(int dimension, int clusters, int directions, double spread, double noise, int seed)
{
    private readonly float[] centres = Gaussian(new Random(seed), clusters * dimension, 1);
    private readonly float[] basis = Gaussian(new Random(seed + 1), directions * dimension, spread / Math.Sqrt(directions));

    /// <summary>Vectors with the numbers from one on.</summary>
    internal float[] Take(int first, int count)
    {
        var vectors = new float[(long)count * dimension];
        Parallel.For(0, count, i =>
        {
            var random = new Random(HashCode(seed, first + i));
            var vector = vectors.AsSpan(i * dimension, dimension);
            var centre = random.Next(clusters);
            for (var d = 0; d < dimension; d++)
                vector[d] = centres[centre * dimension + d];
            for (var k = 0; k < directions; k++)
            {
                var share = (float)Normal(random);
                var direction = basis.AsSpan(k * dimension, dimension);
                for (var d = 0; d < dimension; d++)
                    vector[d] += share * direction[d];
            }
            double sum = 0;
            for (var d = 0; d < dimension; d++)
            {
                vector[d] += (float)(noise * Normal(random));
                sum += (double)vector[d] * vector[d];
            }
            var scale = (float)(1 / Math.Sqrt(sum));
            for (var d = 0; d < dimension; d++)
                vector[d] *= scale;
        });
        return vectors;
    }

    // Of both numbers, without a seed of the process.
    private static int HashCode(int seed, int number)
    {
        var mixed = ((ulong)(uint)seed << 32 | (uint)number) * 0x9E3779B97F4A7C15;
        return (int)((mixed ^ (mixed >> 29)) & int.MaxValue);
    }

    private static float[] Gaussian(Random random, int count, double scale)
    {
        var values = new float[count];
        for (var i = 0; i < count; i++)
            values[i] = (float)(scale * Normal(random));
        return values;
    }

    private static double Normal(Random random) =>
        Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble());
}
