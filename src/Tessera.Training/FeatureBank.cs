using System.Runtime.InteropServices;
using Tessera.Data;
using Tessera.Data.Loading;
using Tessera.Distributed;

namespace Tessera.Training;

/// <summary>Features of samples with one class each, in memory as float32, that an evaluator compares others with.</summary>
/// <param name="samples">The samples.</param>
/// <param name="features">Gives the features [B, D] of a batch.</param>
public sealed class FeatureBank(BatchSource samples, Func<Batch, Tensor> features)
{
    private readonly List<float> values = [];
    private readonly List<long> labels = [];
    private readonly List<long> indices = [];
    private Tensor? gathered;

    /// <summary>The samples.</summary>
    internal IEnumerable<Batch> Batches(CancellationToken stop) => samples.Epoch(0, stop: stop);

    /// <summary>How many features there are.</summary>
    public int Count => labels.Count;

    /// <summary>The features, float32, [N, D]; owned by the bank, which takes in no more once they were asked for.</summary>
    public Tensor Features
    {
        get
        {
            // Threads may ask at once. There is one copy, however many ask.
            lock (values)
            {
                if (gathered is null)
                {
                    gathered = Tensor.From(CollectionsMarshal.AsSpan(values), Count, Count == 0 ? 0 : values.Count / Count).Keep();
                    values.Clear();
                    values.TrimExcess();
                }
                return gathered;
            }
        }
    }

    /// <summary>Their classes, int64, [N]; owned by the current scope.</summary>
    public Tensor Labels => Tensor.From(labels.ToArray());

    /// <summary>Computes the features of a batch and takes them in. Where the model fails, nothing has been taken in.</summary>
    /// <exception cref="DataException">The samples do not have one class each.</exception>
    /// <exception cref="InvalidOperationException">The features were asked for already.</exception>
    public void Add(Batch batch)
    {
        using var scope = new Scope();
        var classes = ClassTargets.Of(batch).Labels.ToArray<long>();
        var found = features(batch).Detach().To(DType.Float32).ToArray<float>();
        // Threads may add at once.
        lock (values)
        {
            if (gathered is not null)
                throw new InvalidOperationException("the features of the bank were asked for already: it takes in no more");
            values.AddRange(found);
            labels.AddRange(classes);
            indices.AddRange(batch.Indices.Select(index => (long)index));
        }
    }

    /// <summary>Adds the features of the other processes; all have the same afterwards, in the order of the samples.</summary>
    public void Join(ProcessGroup group)
    {
        using var scope = new Scope();
        var sizes = group.AllGather(Tensor.From<long>([Count, Count == 0 ? 0 : values.Count / Count])).ToArray<long>(); // [processes, 2]
        var counts = sizes.Where((_, place) => place % 2 == 0).ToArray();
        var (longest, width) = (counts.Max(), sizes.Where((_, place) => place % 2 == 1).Max());
        if (longest == 0)
            return;
        var allValues = Gather(values, width).ToArray<float>();
        var allLabels = Gather(labels, 1).ToArray<long>();
        var allIndices = Gather(indices, 1).ToArray<long>();
        var places = counts
            .SelectMany((count, rank) => Enumerable.Range(0, (int)count).Select(place => (int)(rank * longest) + place))
            .OrderBy(place => allIndices[place])
            .ToArray();
        Replace(values, places.SelectMany(place => new ArraySegment<float>(allValues, place * (int)width, (int)width)));
        Replace(labels, places.Select(place => allLabels[place]));
        Replace(indices, places.Select(place => allIndices[place]));

        // All processes give tensors of the same shape: shorter ones are padded.
        Tensor Gather<T>(List<T> own, long each)
            where T : unmanaged
        {
            var padded = new T[longest * each];
            own.CopyTo(padded);
            return group.AllGather(Tensor.From(padded));
        }

        static void Replace<T>(List<T> own, IEnumerable<T> all)
        {
            T[] found = [.. all];
            own.Clear();
            own.AddRange(found);
        }
    }
}
