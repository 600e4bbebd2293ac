namespace Tessera.Checkpoints;

/// <summary>How to open a checkpoint.</summary>
/// <param name="Strict">
/// Refuse a pickle that names anything outside the allow list. Without it such objects become
/// <see cref="OpaqueRecord"/>s, which is as safe, since nothing is ever called.
/// </param>
public sealed record CheckpointOptions(bool Strict = false)
{
    /// <summary>Limits for pickles.</summary>
    public PickleLimits Limits { get; init; } = new();

    internal CancellationToken Stop { get; init; }

    /// <summary>Takes the names beyond the allow list that a pickle mentions.</summary>
    internal SortedSet<string>? ForeignNames { get; init; }
}

/// <summary>Limits for pickles; published checkpoints stay far below them.</summary>
public sealed record PickleLimits
{
    /// <summary>Values pushed in the course of reading.</summary>
    public int MaxValues { get; init; } = 8_000_000;

    /// <summary>Lists, tuples, dictionaries and records created.</summary>
    public int MaxContainers { get; init; } = 1_000_000;

    /// <summary>Highest memo index.</summary>
    public int MaxMemo { get; init; } = 4_000_000;

    /// <summary>Depth to which values may be nested.</summary>
    public int MaxNesting { get; init; } = 1000;

    /// <summary>Values in the tree, where a value in several places counts once for each place.</summary>
    public long MaxExpandedValues { get; init; } = 16_000_000;

    /// <summary>Bytes that a compressed pickle may unpack to.</summary>
    public int MaxUnpackedPickle { get; init; } = 32 << 20;
}
