using System.Buffers;
using System.Numerics;
using Tessera.Training.Probes;

namespace Tessera.Training.Tasks.Retrieval;

/// <summary>
/// Retrieval by category: an item is right where its class is that of the query. Queries are looked for among all other samples, or in a
/// gallery of its own.
/// </summary>
public static class CategoryRetrieval
{
    private const int MostFailures = 8,
        MostSuccesses = 4,
        Shown = 7;

    /// <summary>Measures descriptors.</summary>
    /// <param name="descriptors">One per sample, [N, D] in float32 or float64; they are brought to length 1 here.</param>
    /// <param name="labels">Class of each sample.</param>
    /// <param name="ks">Numbers of items of which one must be right, at least one number.</param>
    /// <param name="isQuery">
    /// Whether each sample is a query; the others are searched then. Null: every sample is looked for among all others.
    /// </param>
    /// <param name="together">
    /// Queries whose similarities are in memory at once, at least 1; null for as many as fit into a few megabytes per thread. The figures do
    /// not depend on it.
    /// </param>
    /// <exception cref="ShapeException">Not one label and one role per descriptor.</exception>
    /// <exception cref="InvalidOperationException">There is no query, or nothing to search.</exception>
    public static RetrievalMetrics Measure(
        Tensor descriptors,
        IReadOnlyList<long> labels,
        IReadOnlyList<int> ks,
        IReadOnlyList<bool>? isQuery = null,
        int? together = null
    )
    {
        if (ks.Count == 0 || ks.Any(k => k < 1))
            throw new ArgumentException("ks must be numbers of at least 1", nameof(ks));
        if (together is < 1)
            throw new ArgumentOutOfRangeException(nameof(together), together, "at least 1 query at a time");
        if (descriptors.Dim != 2 || descriptors.Size(0) != labels.Count || (isQuery?.Count ?? labels.Count) != labels.Count)
            throw new ShapeException(
                $"descriptors of shape {descriptors.Shape} for {labels.Count} labels and {isQuery?.Count ?? labels.Count} roles: "
                    + "there must be one of each per sample"
            );
        return descriptors.DType == DType.Float64
            ? new Search<double>(DescriptorRows<double>.Of(descriptors), labels, isQuery, together).Measure(ks, descriptors)
            : new Search<float>(DescriptorRows<float>.Of(descriptors.To(DType.Float32)), labels, isQuery, together).Measure(
                ks,
                descriptors
            );
    }

    // Of one query. Without relevant items, it is missed at every K and left out of the other figures.
    private readonly record struct Found(
        int First,
        int Relevant,
        double RPrecision,
        double MapAtR,
        double AveragePrecision,
        double Similarity
    );

    private sealed class Search<T>
        where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        private readonly DescriptorRows<T> rows;
        private readonly IReadOnlyList<long> labels;
        private readonly int? together;
        private readonly bool withinSet;
        private readonly int[] queries,
            searched;
        private readonly T[] items;

        internal Search(DescriptorRows<T> rows, IReadOnlyList<long> labels, IReadOnlyList<bool>? isQuery, int? together)
        {
            (this.rows, this.labels, this.together, withinSet) = (rows, labels, together, isQuery is null);
            var all = Enumerable.Range(0, labels.Count);
            queries = [.. all.Where(sample => isQuery?[sample] ?? true)];
            searched = [.. all.Where(sample => !(isQuery?[sample] ?? false))];
            if (queries.Length == 0 || searched.Length == 0)
                throw new InvalidOperationException(
                    $"there are {queries.Length} queries and {searched.Length} samples to search: no figures"
                );
            items = rows.Some(searched);
        }

        internal RetrievalMetrics Measure(IReadOnlyList<int> ks, Tensor descriptors)
        {
            var found = new Found[queries.Length];
            Visit(queries, (query, similarities, roles) => found[query] = Of(similarities, roles));
            var judged = found.Where(one => one.Relevant > 0).ToArray();
            return new RetrievalMetrics(labels.Count, queries.Length, withinSet ? searched.Length - 1 : searched.Length)
            {
                Recall = [.. ks.Distinct().Order().Select(k => new RecallAt(k, Share(found, one => one.First >= 0 && one.First < k)))],
                RPrecision = judged.Length == 0 ? null : judged.Average(one => one.RPrecision),
                MapAtR = judged.Length == 0 ? null : judged.Average(one => one.MapAtR),
                Map = judged.Length == 0 ? null : judged.Average(one => one.AveragePrecision),
                WithoutRelevant = queries.Length - judged.Length,
                NearestDistance = found.Average(one => Math.Sqrt(Math.Max(0, 2 - 2 * one.Similarity))),
                EffectiveRank = FeatureSpread.Of(descriptors.Detach()),
                PerClass =
                [
                    .. queries
                        .Zip(found)
                        .GroupBy(one => labels[one.First])
                        .OrderBy(group => group.Key)
                        .Select(group => new ClassRecall(
                            group.Key,
                            group.Count(),
                            Share([.. group.Select(one => one.Second)], one => one.First == 0)
                        )),
                ],
                Examples = Examples(found),
            };
        }

        private static double Share(IReadOnlyCollection<Found> found, Func<Found, bool> hit) => found.Count(hit) / (double)found.Count;

        private static Found Of(ReadOnlySpan<T> similarities, ReadOnlySpan<ItemRole> roles)
        {
            var relevant = roles.Count(ItemRole.Relevant);
            var ranks = Ranking.Relevant(similarities, roles);
            var nearest = Ranking.Nearest(similarities, roles, 1);
            return new(
                ranks.Length == 0 ? -1 : ranks[0],
                relevant,
                relevant == 0 ? 0 : RankMeasures.RPrecision(ranks, relevant),
                relevant == 0 ? 0 : RankMeasures.MapAtR(ranks, relevant),
                relevant == 0 ? 0 : RankMeasures.AveragePrecision(ranks, relevant),
                nearest.Length == 0 ? double.NaN : double.CreateChecked(similarities[nearest[0]])
            );
        }

        // The surest mistakes first, then queries of several classes that were answered rightly.
        private RetrievedExample[] Examples(Found[] found)
        {
            var failures = found
                .Index()
                .Where(one => one.Item.First != 0 && one.Item.Relevant > 0)
                .OrderByDescending(one => one.Item.Similarity)
                .ThenBy(one => one.Index)
                .Take(MostFailures);
            var successes = found
                .Index()
                .Where(one => one.Item.First == 0)
                .DistinctBy(one => labels[queries[one.Index]])
                .Take(MostSuccesses);
            int[] chosen = [.. failures.Concat(successes).Select(one => one.Index)];
            var examples = new RetrievedExample[chosen.Length];
            Visit([.. chosen.Select(query => queries[query])], (place, similarities, roles) =>
            {
                var items = new List<RetrievedItem>();
                foreach (var item in Ranking.Nearest(similarities, roles, Shown))
                    items.Add(new(searched[item], double.CreateChecked(similarities[item]), roles[item]));
                examples[place] = new(queries[chosen[place]], found[chosen[place]].First == 0 ? 1 : 0, items);
            });
            return examples;
        }

        private delegate void Visitor(int query, ReadOnlySpan<T> similarities, ReadOnlySpan<ItemRole> roles);

        private void Visit(int[] which, Visitor visit) =>
            SimilarityRows.Visit(rows.Values, which, items, rows.Width, together, (query, similarities) =>
            {
                var rented = ArrayPool<ItemRole>.Shared.Rent(searched.Length);
                var roles = rented.AsSpan(0, searched.Length);
                var (own, label) = (which[query], labels[which[query]]);
                for (var item = 0; item < roles.Length; item++)
                    roles[item] =
                        searched[item] == own ? ItemRole.Ignored
                        : labels[searched[item]] == label ? ItemRole.Relevant
                        : ItemRole.Other;
                visit(query, similarities, roles);
                ArrayPool<ItemRole>.Shared.Return(rented);
            });
    }
}
