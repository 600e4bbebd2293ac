using Tessera.Data.Transforms;

namespace Tessera.Data.Loading;

/// <summary>
/// Batches of a data set, made ahead by background threads. Order and augmentation depend on the seed, the epoch and the sample
/// alone, never on the number of workers.
/// </summary>
public sealed class Loader : BatchSource
{
    private readonly Func<BatchBuilder> builder;
    private readonly UnreadableImages unreadable;
    private readonly LoaderOptions options;
    private readonly Sampler sampler;
    private readonly int workers;
    private readonly int samples;

    /// <summary>A loader.</summary>
    /// <param name="dataset">Samples to read.</param>
    /// <param name="pipeline">Transforms of the samples.</param>
    /// <param name="options">Size of a batch, order, threads.</param>
    /// <exception cref="DataException">
    /// A number that makes no sense, a data set that cannot be loaded, one that the device has no batches of
    /// (<see cref="LoadableDataset.DeviceObstacle"/>), or targets that the pipeline would mix or move in a way that has no meaning for
    /// them.
    /// </exception>
    public Loader(Dataset dataset, Pipeline pipeline, LoaderOptions options)
    {
        options.Check();
        if (dataset is not LoadableDataset loadable)
            throw new DataException(
                $"{dataset.Name}: a {dataset.GetType().Name} cannot be loaded; texts must be encoded by a vocabulary first"
            );
        if (options.Device is not null && loadable.DeviceObstacle(pipeline) is { } obstacle)
            throw new DataException($"{dataset.Name}: {obstacle}");
        if (pipeline.Mixing is not null && dataset.Annotations.MixingObstacle is { } reason)
            throw new DataException($"{dataset.Name}: augment mixes or smooths targets, but {reason}");
        var untracked = pipeline.Transforms.FirstOrDefault(transform => transform.TrackingObstacle() is not null);
        if (dataset.Annotations.FollowsView && untracked is not null)
            throw new DataException(
                $"{dataset.Name}: label maps and boxes cannot follow an image through {TransformRegistry.NameOf(untracked)}: "
                    + untracked.TrackingObstacle()
            );
        foreach (var transform in pipeline.Views.SelectMany(view => view))
            if (transform.Obstacle(dataset.Annotations) is { } problem)
                throw new DataException($"{dataset.Name}: {TransformRegistry.NameOf(transform)} {problem}");
        (Dataset, Pipeline, this.options) = (dataset, pipeline, options);
        workers = options.Workers ?? (loadable.InMemory ? 1 : Environment.ProcessorCount);
        sampler = options.Sampler ?? (options.Shuffle ? new Shuffled() : new InOrder());
        samples = sampler.Order(dataset.Count, options.Seed, 0, Replica.Single).Length;
        unreadable = new(dataset, options.UnreadableLimit);
        builder = loadable.Builders(new(pipeline, options.Seed, options.Replacement, options.Device));
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
    public int BatchSize => options.BatchSize;

    /// <inheritdoc/>
    public override int StepsPerEpoch => options.DropLast ? samples / BatchSize : (samples + BatchSize - 1) / BatchSize;

    /// <summary>The batches of an epoch.</summary>
    /// <remarks>
    /// Each batch is made into tensors when it is asked for: the scope then open owns them; outside of all, dispose of the
    /// batch after use. Leaving the enumeration early stops the workers. Several epochs, or one several times, may be enumerated at once;
    /// each enumeration belongs to one thread at a time and refuses a second.
    /// </remarks>
    /// <param name="epoch">From 0.</param>
    /// <param name="skipBatches">Batches left out at the start, to go on in the middle of an epoch.</param>
    /// <param name="stop">Ends the enumeration, also while it waits for a batch.</param>
    /// <exception cref="DataException">A negative number, or samples that cannot be read.</exception>
    /// <exception cref="OperationCanceledException">It was stopped.</exception>
    public override IEnumerable<Batch> Epoch(int epoch, int skipBatches = 0, CancellationToken stop = default)
    {
        if (epoch < 0 || skipBatches < 0 || skipBatches > StepsPerEpoch)
            throw new DataException($"epoch {epoch} from batch {skipBatches} on: an epoch has {StepsPerEpoch} batches");
        return new OneAtATime<Batch>(Enumerate(epoch, skipBatches, stop));
    }

    private IEnumerable<Batch> Enumerate(int epoch, int start, CancellationToken stop)
    {
        var order = sampler.Order(Dataset.Count, options.Seed, epoch, Replica.Single);
        Func<int, BatchData> Worker()
        {
            var own = builder();
            return number =>
                own.Build(
                    order.AsSpan(number * BatchSize, Math.Min(BatchSize, order.Length - number * BatchSize)),
                    options.Replica,
                    epoch,
                    number
                );
        }

        if (workers == 0)
        {
            var make = Worker();
            for (var step = start; step < StepsPerEpoch; step++)
            {
                stop.ThrowIfCancellationRequested();
                if (Checked(make(step)) is { } made)
                    yield return made.ToBatch();
            }
            yield break;
        }
        using var prefetcher = new Prefetcher<BatchData>(start, StepsPerEpoch, workers, options.Prefetch, Worker);
        for (var step = start; step < StepsPerEpoch; step++)
            if (Checked(prefetcher.Take(stop)) is { } made)
                yield return made.ToBatch();

        // Here batches come in order, so that the limit is reached at the same one whatever the number of workers. A batch of
        // which nothing is left is none, except among several processes: there all go through the same batches.
        BatchData? Checked(BatchData made)
        {
            unreadable.Add(made.Unreadable);
            return options.Replica.Count == 1 && made.Indices.Length == 0 && made.Unreadable.Count > 0 ? null : made;
        }
    }
}
