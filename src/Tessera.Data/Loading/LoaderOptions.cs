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

/// <summary>How a <see cref="Loader"/> makes batches.</summary>
/// <param name="BatchSize">Samples of a batch, at least 1.</param>
public sealed record LoaderOptions(int BatchSize)
{
    /// <summary>Determines order and augmentation.</summary>
    public ulong Seed { get; init; }

    /// <summary>Random order, another one in each epoch; else in order.</summary>
    public bool Shuffle { get; init; }

    /// <summary>Which samples in which order; decides instead of <see cref="Shuffle"/>.</summary>
    public Sampler? Sampler { get; init; }

    /// <summary>Whether a last, smaller batch is left out.</summary>
    public bool DropLast { get; init; }

    /// <summary>
    /// Background threads, 0 to 256; 0 works on the consumer's thread. When null, one for images in memory and one per core for others.
    /// </summary>
    public int? Workers { get; init; }

    /// <summary>Most batches that are ready or in the making, at least 1.</summary>
    public int Prefetch { get; init; } = 4;

    /// <summary>
    /// Which of several processes this is: it gets its share of every batch (<see cref="BatchShare"/>), so that all together see the
    /// batches of one process.
    /// </summary>
    public Replica Replica { get; init; } = Replica.Single;

    /// <summary>How many images may be unreadable.</summary>
    public UnreadableLimit UnreadableLimit { get; init; } = UnreadableLimit.Default;

    /// <summary>Replacement of an unreadable image.</summary>
    public Replacement Replacement { get; init; }

    /// <summary>
    /// Where batches are made: all images are brought there once, as bytes, and the inputs of a batch lie there. Null makes them in the
    /// workers' memory. The batches are the same.
    /// </summary>
    public Device? Device { get; init; }

    /// <summary>Refuses numbers that make no sense.</summary>
    internal void Check()
    {
        if (BatchSize < 1)
            throw new DataException($"batch size {BatchSize}: it must be at least 1");
        if (Workers is < 0 or > 256)
            throw new DataException($"{Workers} workers: there must be 0 to 256");
        if (UnreadableLimit is not { Share: >= 0 and <= 1, Allowed: >= 0 })
            throw new DataException(
                $"a limit of {UnreadableLimit.Share} unreadable images and {UnreadableLimit.Allowed}: it must be a share from 0 to 1 and "
                    + "no negative number"
            );
        if (Prefetch < 1)
            throw new DataException($"prefetch of {Prefetch} batches: it must be at least 1");
        if (Replica.Count < 1 || Replica.Rank < 0 || Replica.Rank >= Replica.Count)
            throw new DataException($"rank {Replica.Rank} of {Replica.Count} processes: it must be at least 0 and below their number");
    }
}
