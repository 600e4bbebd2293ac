namespace Tessera.Data;

/// <summary>A batch as a worker makes it, in plain memory; the consumer's thread makes it into tensors.</summary>
internal sealed class BatchData
{
    /// <summary>Makes the tensor of images [B, C, H, W] or of word ids [B, S].</summary>
    internal required Func<Tensor> Inputs { get; init; }

    internal required long[] Labels { get; init; }

    internal required int[] Indices { get; init; }

    /// <summary>Which part of its original each image shows.</summary>
    internal ImageView[]? Views { get; init; }

    /// <summary>Soft targets [B, classes].</summary>
    internal float[]? Targets { get; init; }

    /// <summary>True for real words [B, S].</summary>
    internal bool[]? Mask { get; init; }

    /// <summary>Samples of the batch in all processes together.</summary>
    internal required int Whole { get; init; }

    /// <summary>Whether its sample belongs to another process.</summary>
    internal bool Idle { get; init; }

    /// <summary>Images that could not be read.</summary>
    internal IReadOnlyList<UnreadableImage> Unreadable { get; init; } = [];

    internal Batch ToBatch() =>
        new(Inputs(), Tensor.From(Labels, Labels.Length), Indices)
        {
            Whole = Whole,
            Idle = Idle,
            Views = Views,
            Mask = Mask is null ? null : Tensor.From(Mask, Labels.Length, Mask.Length / Labels.Length),
            Unreadable = Unreadable,
            Targets = Targets is null ? null : Tensor.From(Targets, Labels.Length, Labels.Length == 0 ? 0 : Targets.Length / Labels.Length),
        };
}
