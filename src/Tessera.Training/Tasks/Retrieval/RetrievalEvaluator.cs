using System.Text.Json;
using Tessera.Data;
using Tessera.Distributed;

namespace Tessera.Training.Tasks.Retrieval;

/// <summary>
/// Gathers descriptors batch by batch and measures retrieval among them. It keeps them as float32 until the end, 4 D bytes per sample:
/// 93 MB for 60,502 images with 384 values each. Of several processes, each has the descriptors of all after <see cref="Join"/>.
/// </summary>
/// <remarks>
/// Labels are compared within the set that is measured, and with no others. Samples with one class each are looked for among all others;
/// <see cref="QueryGalleryLabels"/> and <see cref="LandmarkQueries"/> say which samples are queries.
/// </remarks>
/// <param name="describe">Gives the descriptors [B, D] of a batch.</param>
/// <param name="ks">Numbers of nearest samples that recall is measured at.</param>
public sealed class RetrievalEvaluator(Func<Batch, Tensor> describe, IReadOnlyList<int> ks) : Evaluator
{
    private readonly SortedDictionary<int, (long Label, float[] Row)> samples = [];
    private Annotations? truth;
    private int width;

    /// <inheritdoc/>
    /// <exception cref="DataException">Samples that say neither their class nor what is right for a query.</exception>
    public override void Add(Batch batch)
    {
        using var scope = new Scope();
        long[] labels;
        Annotations? known = null;
        switch (batch.Targets)
        {
            case ClassTargets { Soft: null } targets:
                labels = targets.Labels.ToArray<long>();
                break;
            case ClassTargets:
                throw new DataException("retrieval is measured by samples as they are: evaluation.transforms must not mix or smooth them");
            case RetrievalTargets targets:
                known = targets.Truth;
                labels = [.. batch.Indices.Select(index => known is QueryGalleryLabels own ? own.Labels[index] : 0L)];
                break;
            case var other:
                throw new DataException($"retrieval needs samples with classes or queries, and the batch has {other.GetType().Name}");
        }
        var found = describe(batch).Detach().To(DType.Float32);
        if (found.Dim != 2 || found.Size(0) != labels.Length)
            throw new ShapeException($"descriptors of shape {found.Shape} for {labels.Length} samples: they must be [{labels.Length}, D]");
        var (values, each) = (found.ToArray<float>(), (int)found.Size(1));
        // Threads may add at once.
        lock (samples)
        {
            (truth, width) = (known ?? truth, each);
            foreach (var (place, index) in batch.Indices.Index())
                samples[index] = (labels[place], values[(place * each)..((place + 1) * each)]);
        }
    }

    /// <inheritdoc/>
    public override void Join(ProcessGroup group)
    {
        using var scope = new Scope();
        var sizes = group.AllGather(Tensor.From<long>([samples.Count, width])).ToArray<long>(); // [processes, 2]
        var (counts, most) = (sizes.Where((_, place) => place % 2 == 0).ToArray(), 0L);
        (most, width) = (counts.Max(), (int)sizes.Where((_, place) => place % 2 == 1).Max());
        if (most == 0)
            return;
        var (indices, labels, values) = (new long[most], new long[most], new float[checked((int)most * width)]);
        foreach (var (place, (index, (label, row))) in samples.Index())
        {
            (indices[place], labels[place]) = (index, label);
            row.CopyTo(values, place * width);
        }
        var (allIndices, allLabels) = (Gathered(indices), Gathered(labels));
        var allValues = Gathered(values);
        samples.Clear();
        for (var rank = 0; rank < counts.Length; rank++)
        for (var i = 0; i < counts[rank]; i++)
        {
            var place = (int)(rank * most) + i;
            samples[(int)allIndices[place]] = (allLabels[place], allValues[(place * width)..((place + 1) * width)]);
        }

        // A process that no sample fell to has not seen what is right for which query.
        var known = group.Gather(JsonSerializer.Serialize(Said.Of(truth))).Select(text => JsonSerializer.Deserialize<Said>(text)!);
        truth ??= known.Select(said => said.Truth()).FirstOrDefault(found => found is not null);

        T[] Gathered<T>(T[] own)
            where T : unmanaged => group.AllGather(Tensor.From(own)).ToArray<T>();
    }

    // Of all that is said about samples, what the figures need beside their labels.
    private sealed record Said(IReadOnlyList<bool>? IsQuery, int Count, IReadOnlyList<LandmarkQuery>? Queries)
    {
        internal static Said Of(Annotations? truth) =>
            new((truth as QueryGalleryLabels)?.IsQuery, truth?.Count ?? 0, (truth as LandmarkQueries)?.Queries);

        internal Annotations? Truth() =>
            IsQuery is not null ? new QueryGalleryLabels(new([""], new int[Count]), IsQuery)
            : Queries is not null ? new LandmarkQueries(Count, Queries)
            : null;
    }

    /// <inheritdoc/>
    public override Metrics Measure()
    {
        if (samples.Count == 0)
            throw new InvalidOperationException("there are no samples to measure");
        using var scope = new Scope();
        var values = new float[checked(samples.Count * width)];
        foreach (var (place, (_, (_, row))) in samples.Index())
            row.CopyTo(values, place * width);
        var descriptors = Tensor.From(values, samples.Count, width);
        int[] positions = [.. samples.Keys];
        if (truth is LandmarkQueries landmarks)
            return RevisitedRetrieval.Measure(descriptors, positions, landmarks);
        var measured = CategoryRetrieval.Measure(
            descriptors,
            [.. samples.Values.Select(sample => sample.Label)],
            ks,
            truth is QueryGalleryLabels roles ? [.. positions.Select(position => roles.IsQuery[position])] : null
        );
        // Positions among the descriptors become those in the data set, where unreadable samples have theirs.
        return measured with
        {
            Examples =
            [
                .. measured.Examples.Select(example =>
                    example with
                    {
                        Query = positions[example.Query],
                        Found = [.. example.Found.Select(item => item with { Sample = positions[item.Sample] })],
                    }
                ),
            ],
        };
    }
}
