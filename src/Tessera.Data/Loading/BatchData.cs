namespace Tessera.Data.Loading;

/// <summary>A batch as a worker makes it, in plain memory; the consumer's thread makes it into tensors.</summary>
internal sealed class BatchData
{
    /// <summary>The views.</summary>
    internal required IReadOnlyList<ViewData> Views { get; init; }

    /// <summary>Makes the targets.</summary>
    internal required Func<Targets> Targets { get; init; }

    internal required int[] Indices { get; init; }

    /// <summary>Samples of the batch in all processes together.</summary>
    internal required int GlobalCount { get; init; }

    /// <summary>Whether its sample belongs to another process.</summary>
    internal bool IsPlaceholder { get; init; }

    /// <summary>Images that could not be read.</summary>
    internal IReadOnlyList<UnreadableImage> Unreadable { get; init; } = [];

    internal Batch ToBatch() =>
        new([.. Views.Select(view => view.ToView())], Targets(), Indices)
        {
            GlobalCount = GlobalCount,
            IsPlaceholder = IsPlaceholder,
            Unreadable = Unreadable,
        };
}

/// <summary>A view of a batch in plain memory.</summary>
/// <param name="Inputs">Makes the tensor of images [B, C, H, W] or of word ids [B, S].</param>
/// <param name="Images">Which part of its original each image shows.</param>
/// <param name="Mask">Makes the mask of word ids [B, S].</param>
/// <param name="Sizes">Size of each image without padding; null where none is padded.</param>
internal sealed record ViewData(
    Func<Tensor> Inputs,
    ImageView[]? Images = null,
    Func<Tensor>? Mask = null,
    IReadOnlyList<ImageSize>? Sizes = null
)
{
    internal BatchView ToView() =>
        new(Inputs())
        {
            Images = Images,
            Mask = Mask?.Invoke(),
            Sizes = Sizes,
        };
}
