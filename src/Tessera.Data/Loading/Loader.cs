using Tessera.Data.Transforms;

namespace Tessera.Data.Loading;

/// <summary>Replacement of an image that cannot be read.</summary>
public enum Replacement
{
    /// <summary>Another image of the set, drawn deterministically: for training.</summary>
    OtherDraw,

    /// <summary>Nothing, the batch is smaller: for measuring, where no image may count twice.</summary>
    None,

    /// <summary>Nothing, the error is thrown: for single images that somebody asks for.</summary>
    Never,
}

/// <summary>
/// Batches of a data set, made ahead by background threads. Order and augmentation depend on the seed, the epoch and the sample
/// alone, never on the number of workers.
/// </summary>
public sealed class Loader : BatchSource
{
    private readonly Func<BatchBuilder> builder;
    private readonly UnreadableImages unreadable;
    private readonly Sampler sampler;
    private readonly Replica replica;
    private readonly ulong seed;
    private readonly bool dropLast;
    private readonly int workers;
    private readonly int prefetch;
    private readonly int samples;

    /// <summary>A loader.</summary>
    /// <param name="dataset">Samples to read.</param>
    /// <param name="pipeline">Transforms of the samples.</param>
    /// <param name="batchSize">Samples of a batch.</param>
    /// <param name="seed">Determines order and augmentation.</param>
    /// <param name="shuffle">Random order, another one in each epoch; else in order.</param>
    /// <param name="dropLast">Whether a last, smaller batch is left out.</param>
    /// <param name="workers">
    /// Background threads; 0 works on the consumer's thread. When null, one for images in memory and one per core for others.
    /// </param>
    /// <param name="prefetch">Most batches that are ready or in the making.</param>
    /// <param name="sampler">Which samples in which order; decides instead of <paramref name="shuffle"/>.</param>
    /// <param name="replica">
    /// Which of several processes this is: it gets its share of every batch (<see cref="BatchShare"/>), so that all together see the
    /// batches of one process.
    /// </param>
    /// <param name="unreadableLimit">How many images may be unreadable; <see cref="UnreadableLimit.Default"/> when null.</param>
    /// <param name="replacement">Replacement of an unreadable image.</param>
    /// <param name="device">
    /// Where batches are made: all images are brought there once, as bytes, and the inputs of a batch lie there. Null makes them in the
    /// workers' memory. The batches are the same.
    /// </param>
    /// <exception cref="DataException">
    /// A number that makes no sense, a data set that cannot be loaded, one that <paramref name="device"/> has no batches of
    /// (<see cref="LoadableDataset.DeviceObstacle"/>), or targets that the pipeline would mix or move in a way that has no meaning for
    /// them.
    /// </exception>
    public Loader(
        Dataset dataset,
        Pipeline pipeline,
        int batchSize,
        ulong seed = 0,
        bool shuffle = false,
        bool dropLast = false,
        int? workers = null,
        int prefetch = 4,
        Sampler? sampler = null,
        Replica? replica = null,
        UnreadableLimit? unreadableLimit = null,
        Replacement replacement = Replacement.OtherDraw,
        Device? device = null
    )
    {
        if (batchSize < 1)
            throw new DataException($"batch size {batchSize}: it must be at least 1");
        if (workers is < 0 or > 256)
            throw new DataException($"{workers} workers: there must be 0 to 256");
        var limit = unreadableLimit ?? UnreadableLimit.Default;
        if (limit is not { Share: >= 0 and <= 1, Allowed: >= 0 })
            throw new DataException(
                $"a limit of {limit.Share} unreadable images and {limit.Allowed}: it must be a share from 0 to 1 and no "
                    + "negative number"
            );
        if (prefetch < 1)
            throw new DataException($"prefetch of {prefetch} batches: it must be at least 1");
        this.replica = replica ?? Replica.Single;
        if (this.replica.Count < 1 || this.replica.Rank < 0 || this.replica.Rank >= this.replica.Count)
            throw new DataException(
                $"rank {this.replica.Rank} of {this.replica.Count} processes: it must be at least 0 and below their number"
            );
        if (dataset is not LoadableDataset loadable)
            throw new DataException(
                $"{dataset.Name}: a {dataset.GetType().Name} cannot be loaded; texts must be encoded by a vocabulary first"
            );
        if (device is not null && loadable.DeviceObstacle(pipeline) is { } obstacle)
            throw new DataException($"{dataset.Name}: {obstacle}");
        if (pipeline.Mixing is not null && dataset.Annotations.MixingObstacle is { } reason)
            throw new DataException($"{dataset.Name}: augment mixes or smooths targets, but {reason}");
        var untracked = pipeline.Transforms.FirstOrDefault(transform => transform.TrackingObstacle() is not null);
        if (dataset.Annotations.FollowsView && untracked is not null)
            throw new DataException(
                $"{dataset.Name}: label maps and boxes cannot follow an image through {TransformRegistry.NameOf(untracked)}: "
                    + untracked.TrackingObstacle()
            );
        (Dataset, Pipeline, BatchSize, this.seed, this.dropLast, this.prefetch) = (dataset, pipeline, batchSize, seed, dropLast, prefetch);
        this.workers = workers ?? (loadable.InMemory ? 1 : Environment.ProcessorCount);
        this.sampler = sampler ?? (shuffle ? new Shuffled() : new InOrder());
        samples = this.sampler.Order(dataset.Count, seed, 0, Replica.Single).Length;
        unreadable = new(dataset, limit);
        builder = loadable.Builders(new(pipeline, seed, replacement, device));
    }

    /// <summary>Samples to read.</summary>
    public Dataset Dataset { get; }

    /// <summary>Images that could not be read so far, by position.</summary>
    public IReadOnlyList<UnreadableImage> Unreadable => unreadable.Found;

    /// <inheritdoc/>
    public override string Split => Dataset.Split;

    /// <inheritdoc/>
    public override void Remember(IReadOnlyList<UnreadableImage> images) => unreadable.Add(images);

    /// <summary>Transforms of the samples.</summary>
    public Pipeline Pipeline { get; }

    /// <summary>Samples of a batch.</summary>
    public int BatchSize { get; }

    /// <inheritdoc/>
    public override int StepsPerEpoch => dropLast ? samples / BatchSize : (samples + BatchSize - 1) / BatchSize;

    /// <summary>The batches of an epoch.</summary>
    /// <remarks>
    /// Each batch is made into tensors when it is asked for: the scope then open owns them; outside of all, dispose of the
    /// batch after use. Leaving the enumeration early stops the workers. Several epochs, or one several times, may be enumerated at once;
    /// each enumeration belongs to one thread at a time and refuses a second.
    /// </remarks>
    /// <param name="epoch">From 0.</param>
    /// <param name="skipBatches">Batches left out at the start, to go on in the middle of an epoch.</param>
    /// <exception cref="DataException">A negative number, or samples that cannot be read.</exception>
    public override IEnumerable<Batch> Epoch(int epoch, int skipBatches = 0)
    {
        if (epoch < 0 || skipBatches < 0 || skipBatches > StepsPerEpoch)
            throw new DataException($"epoch {epoch} from batch {skipBatches} on: an epoch has {StepsPerEpoch} batches");
        return new OneAtATime<Batch>(Enumerate(epoch, skipBatches));
    }

    private IEnumerable<Batch> Enumerate(int epoch, int start)
    {
        var order = sampler.Order(Dataset.Count, seed, epoch, Replica.Single);
        Func<int, BatchData> Worker()
        {
            var own = builder();
            return number =>
                own.Build(order.AsSpan(number * BatchSize, Math.Min(BatchSize, order.Length - number * BatchSize)), replica, epoch, number);
        }

        if (workers == 0)
        {
            var make = Worker();
            for (var step = start; step < StepsPerEpoch; step++)
                if (Checked(make(step)) is { } made)
                    yield return made.ToBatch();
            yield break;
        }
        using var prefetcher = new Prefetcher<BatchData>(start, StepsPerEpoch, workers, prefetch, Worker);
        for (var step = start; step < StepsPerEpoch; step++)
            if (Checked(prefetcher.Take()) is { } made)
                yield return made.ToBatch();

        // Here batches come in order, so that the limit is reached at the same one whatever the number of workers. A batch of
        // which nothing is left is none, except among several processes: there all go through the same batches.
        BatchData? Checked(BatchData made)
        {
            unreadable.Add(made.Unreadable);
            return replica.Count == 1 && made.Indices.Length == 0 && made.Unreadable.Count > 0 ? null : made;
        }
    }
}
