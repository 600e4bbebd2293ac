namespace Tessera.Data;

/// <summary>A batch as a worker makes it, in plain memory; the consumer's thread wraps it into tensors.</summary>
internal sealed class BatchData
{
    internal required float[] Inputs { get; init; }

    internal required long[] Shape { get; init; }

    internal required long[] Labels { get; init; }

    internal required int[] Indices { get; init; }

    /// <summary>Which part of its original each image shows.</summary>
    internal ImageView[]? Views { get; init; }

    /// <summary>Soft targets [B, classes].</summary>
    internal float[]? Targets { get; init; }

    /// <summary>Word ids [B, S], instead of <see cref="Inputs"/>.</summary>
    internal long[]? Words { get; init; }

    /// <summary>True for real words [B, S].</summary>
    internal bool[]? Mask { get; init; }

    /// <summary>Samples of the batch in all processes together.</summary>
    internal required int Whole { get; init; }

    /// <summary>Whether its sample belongs to another process.</summary>
    internal bool Idle { get; init; }

    /// <summary>Images that could not be read.</summary>
    internal IReadOnlyList<UnreadableImage> Unreadable { get; init; } = [];

    internal Batch ToBatch(BatchMemory memory)
        => new(Words is null ? memory.Wrap(Inputs, Shape) : Tensor.From(Words, Shape), Tensor.From(Labels, Labels.Length), Indices)
        {
            Whole = Whole,
            Idle = Idle,
            Views = Views,
            Mask = Mask is null ? null : Tensor.From(Mask, Shape),
            Unreadable = Unreadable,
            Targets = Targets is null ? null : Tensor.From(Targets, Labels.Length, Labels.Length == 0 ? 0 : Targets.Length / Labels.Length),
        };
}
