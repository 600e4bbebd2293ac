namespace Tessera.Data.Loading;

/// <summary>Where batches come from.</summary>
public abstract class BatchSource
{
    /// <summary>Batches of one epoch.</summary>
    public abstract int StepsPerEpoch { get; }

    /// <summary>Part of the data, for the log.</summary>
    public virtual string Split => "train";

    /// <summary>The batches of an epoch; order and content depend on the epoch alone.</summary>
    /// <param name="epoch">From 0.</param>
    /// <param name="skipBatches">Batches left out at the start, to go on in the middle of an epoch.</param>
    /// <param name="stop">Ends the enumeration.</param>
    /// <exception cref="OperationCanceledException">It was stopped.</exception>
    public abstract IEnumerable<Batch> Epoch(int epoch, int skipBatches = 0, CancellationToken stop = default);

    /// <summary>
    /// Takes note of images that were found unreadable elsewhere (by other processes, or earlier in the same training): they count
    /// towards the limit.
    /// </summary>
    /// <exception cref="DataException">There are more than the limit allows.</exception>
    public virtual void Remember(IReadOnlyList<UnreadableImage> images) { }
}
