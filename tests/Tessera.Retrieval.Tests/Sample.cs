using System.Globalization;
using Tessera.Retrieval;

namespace Tessera.Tests.Retrieval;

/// <summary>Vectors, items and indexes of tests.</summary>
internal static class Sample
{
    /// <summary>Unit vectors around some centres, by a seed.</summary>
    internal static float[] Clustered(int count, int dimension, int seed, int clusters = 0, double spread = 1)
    {
        var centres = new Random(17);
        var number = Math.Max(1, clusters == 0 ? count / 50 : clusters);
        var middle = Gaussian(centres, number * dimension);
        var random = new Random(seed);
        var vectors = Gaussian(random, count * dimension);
        for (var i = 0; i < count; i++)
        {
            var cluster = random.Next(number);
            double sum = 0;
            for (var d = 0; d < dimension; d++)
            {
                ref var x = ref vectors[i * dimension + d];
                x = (float)(middle[cluster * dimension + d] + spread * x);
                sum += (double)x * x;
            }
            for (var d = 0; d < dimension; d++)
                vectors[i * dimension + d] /= (float)Math.Sqrt(sum);
        }
        return vectors;
    }

    private static float[] Gaussian(Random random, int count)
    {
        var values = new float[count];
        for (var i = 0; i < count; i++)
            values[i] = (float)(Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble()));
        return values;
    }

    /// <summary>Items with a class, every third with a year.</summary>
    internal static IndexItem[] Items(int count, int from = 0) =>
        [
            .. Enumerable
                .Range(from, count)
                .Select(i =>
                {
                    var fields = new Dictionary<string, string> { ["class"] = i % 2 == 0 ? "shoe" : "hat" };
                    if (i % 3 == 0)
                        fields["year"] = (1990 + i).ToString(CultureInfo.InvariantCulture);
                    return new IndexItem(0, $"photos/{i}.jpg", fields);
                }),
        ];

    internal static IndexHeader Header(int dimension) => new(dimension, "vit_small", "weights-hash", "preparation-hash");

    internal static VectorIndex Made(string path, int count, int dimension, int seed = 1)
    {
        var index = VectorIndex.Create(path, Header(dimension));
        index.Add(Clustered(count, dimension, seed), Items(count));
        return index;
    }

    /// <summary>The nearest by plain sums in double: the larger first, of equal ones the lower row.</summary>
    internal static (int Row, double Similarity)[] Nearest(
        float[] vectors,
        ReadOnlySpan<float> query,
        int k,
        Func<int, bool>? allowed = null
    )
    {
        var dimension = query.Length;
        var all = new List<(int Row, double Similarity)>();
        for (var row = 0; row < vectors.Length / dimension; row++)
        {
            if (allowed is not null && !allowed(row))
                continue;
            double sum = 0;
            for (var d = 0; d < dimension; d++)
                sum += (double)query[d] * vectors[row * dimension + d];
            all.Add((row, sum));
        }
        return [.. all.OrderByDescending(one => (float)one.Similarity).ThenBy(one => one.Row).Take(k)];
    }

    /// <summary>All that an index holds, as text.</summary>
    internal static string Contents(VectorIndex index) =>
        string.Join(
            '\n',
            index
                .Items()
                .Select(item =>
                    $"{item.Id} {item.Name} {string.Join(',', item.Metadata.Select(field => $"{field.Key}={field.Value}"))} "
                    + string.Join(' ', index.VectorOf(item.Id)!.Select(x => x.ToString("R", CultureInfo.InvariantCulture)))
                )
        );
}
