using System.Numerics;
using Tessera.Data;

namespace Tessera.Training.Tasks.Retrieval;

/// <summary>
/// Retrieval of particular objects as on revisited Oxford and Paris (Radenovic et al., 2018, arXiv:1803.11285): easy, medium and hard,
/// with junk that is taken out of the ranking.
/// </summary>
public static class RevisitedRetrieval
{
    private const int MostExamples = 10,
        Shown = 7;

    /// <summary>The numbers of items that the precision is published at.</summary>
    public static IReadOnlyList<int> UsualKs { get; } = [1, 5, 10];

    /// <summary>Measures descriptors.</summary>
    /// <param name="descriptors">One per sample, [N, D] in float32 or float64; they are brought to length 1 here.</param>
    /// <param name="samples">
    /// Position of each descriptor among the samples, ascending. One that is right for a query and has no descriptor is never found, but
    /// counts as one that should have been.
    /// </param>
    /// <param name="truth">What is right for which query.</param>
    /// <param name="ks">Numbers of items that precision is measured at.</param>
    /// <param name="together">
    /// Queries whose similarities are in memory at once, at least 1; null for as many as fit into a few megabytes per thread. The figures do
    /// not depend on it.
    /// </param>
    /// <exception cref="ShapeException">Not one position per descriptor.</exception>
    /// <exception cref="InvalidOperationException">No query has anything that is right for it.</exception>
    public static RevisitedMetrics Measure(
        Tensor descriptors,
        IReadOnlyList<int> samples,
        LandmarkQueries truth,
        IReadOnlyList<int>? ks = null,
        int? together = null
    )
    {
        ks ??= UsualKs;
        if (ks.Count == 0 || ks.Any(k => k < 1))
            throw new ArgumentException("ks must be numbers of at least 1", nameof(ks));
        if (together is < 1)
            throw new ArgumentOutOfRangeException(nameof(together), together, "at least 1 query at a time");
        if (descriptors.Dim != 2 || descriptors.Size(0) != samples.Count)
            throw new ShapeException($"descriptors of shape {descriptors.Shape} for {samples.Count} samples: there must be one per sample");
        return descriptors.DType == DType.Float64
            ? Measure(DescriptorRows<double>.Of(descriptors), samples, truth, ks, together)
            : Measure(DescriptorRows<float>.Of(descriptors.To(DType.Float32)), samples, truth, ks, together);
    }

    private static RevisitedMetrics Measure<T>(
        DescriptorRows<T> rows,
        IReadOnlyList<int> samples,
        LandmarkQueries truth,
        IReadOnlyList<int> ks,
        int? together
    )
        where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        var rowOf = samples.Index().ToDictionary(one => one.Item, one => one.Index);
        int[] searched = [.. samples.Index().Where(one => !truth.IsQuery(one.Item)).Select(one => one.Index)];
        var placeOf = searched.Index().ToDictionary(one => samples[one.Item], one => one.Index);
        LandmarkQuery[] asked = [.. truth.Queries.Where(query => rowOf.ContainsKey(query.Sample))];
        var (levels, kept) = (RevisitedLevel.All, new Answer[asked.Length]);
        SimilarityRows.Visit(
            rows.Values,
            [.. asked.Select(query => rowOf[query.Sample])],
            rows.Some(searched),
            rows.Width,
            together,
            (number, similarities) => kept[number] = Of(asked[number], similarities)
        );
        var byQuery = asked.Zip(kept).ToDictionary(one => one.First, one => one.Second);
        RevisitedLevel[] measured = [.. levels.Select((level, i) => Level(level.Name, i))];
        if (measured.All(level => level.Map is null))
            throw new InvalidOperationException("no query has anything that is right for it: no figures");
        return new(samples.Count, truth.Queries.Count, searched.Length, measured)
        {
            Examples =
            [
                .. byQuery
                    .Values.Where(answer => answer.Precisions[1] is not null)
                    .OrderBy(answer => answer.Precisions[1])
                    .ThenBy(answer => answer.Example.Query)
                    .Take(MostExamples)
                    .Select(answer => answer.Example with { Score = answer.Precisions[1]!.Value }),
            ],
        };

        // A query that could not be read finds nothing.
        RevisitedLevel Level(string name, int level)
        {
            double?[] precisions =
            [
                .. truth.Queries.Select(query =>
                    byQuery.TryGetValue(query, out var answer) ? answer.Precisions[level]
                    : levels[level].Relevant(query).Any() ? 0
                    : null
                ),
            ];
            var judged = precisions.OfType<double>().Count();
            return new(
                name,
                judged == 0 ? null : precisions.OfType<double>().Average(),
                precisions,
                [.. ks.Select((k, i) => new PrecisionAt(k, judged == 0 ? null : kept.Sum(answer => answer.At[level]?[i] ?? 0) / judged))]
            );
        }

        Answer Of(LandmarkQuery query, ReadOnlySpan<T> similarities)
        {
            var roles = new ItemRole[searched.Length];
            var (precisions, at) = (new double?[levels.Count], new double[]?[levels.Count]);
            for (var i = levels.Count - 1; i >= 0; i--)
            {
                var (_, relevant, junk) = levels[i];
                Array.Clear(roles);
                Mark(roles, relevant(query), ItemRole.Relevant);
                Mark(roles, junk(query), ItemRole.Ignored);
                var count = relevant(query).Count();
                if (count == 0)
                    continue;
                var ranks = Ranking.Relevant(similarities, roles);
                precisions[i] = RankMeasures.TrapezoidPrecision(ranks, count);
                at[i] = [.. ks.Select(k => RankMeasures.PrecisionAt(ranks, k))];
            }
            // Junk is shown where it comes, too.
            Array.Clear(roles);
            Mark(roles, query.Easy.Concat(query.Hard), ItemRole.Relevant);
            var shown = new List<RetrievedItem>();
            var junked = query.Junk.ToHashSet();
            foreach (var place in Ranking.Nearest(similarities, roles, Shown))
            {
                var sample = samples[searched[place]];
                shown.Add(
                    new(sample, double.CreateChecked(similarities[place]), junked.Contains(sample) ? ItemRole.Ignored : roles[place])
                );
            }
            return new(precisions, at, new(query.Sample, 0, shown));
        }

        void Mark(ItemRole[] roles, IEnumerable<int> marked, ItemRole role)
        {
            foreach (var sample in marked)
                if (placeOf.TryGetValue(sample, out var place))
                    roles[place] = role;
        }
    }

    private sealed record Answer(double?[] Precisions, double[]?[] At, RetrievedExample Example);
}
