namespace Tessera.Data;

/// <summary>What a loader gives and a training step consumes.</summary>
/// <param name="Inputs">Images [B, C, H, W] in float32, augmented and normalised, on the device of the loader; or word ids [B, S].</param>
/// <param name="Labels">Class indices [B], int64.</param>
/// <param name="Indices">Position of each sample in its dataset.</param>
public sealed record Batch(Tensor Inputs, Tensor Labels, IReadOnlyList<int> Indices) : ITensorBag, IDisposable
{
    /// <summary>Soft targets [B, classes], where mixing or smoothing made some.</summary>
    public Tensor? Targets { get; init; }

    /// <summary>Text: true for real words, [B, S].</summary>
    public Tensor? Mask { get; init; }

    /// <summary>Images: which part of its original each shows; null where that is not known.</summary>
    public IReadOnlyList<ImageView>? Views { get; init; }

    /// <summary>Images that could not be read while this batch was made: others stand in their place, or they are left out.</summary>
    public IReadOnlyList<UnreadableImage> Unreadable { get; init; } = [];

    /// <summary>Number of samples.</summary>
    public int Count => Indices.Count;

    /// <summary>Samples of the batch in all processes together, where several share it.</summary>
    public int Whole
    {
        get => field > 0 ? field : Count;
        init;
    }

    /// <summary>Whether its sample belongs to another process and counts nothing here: none of the batch fell to this one, which takes part all the same.</summary>
    public bool Idle { get; init; }

    /// <inheritdoc/>
    public IEnumerable<Tensor> Tensors
    {
        get
        {
            yield return Inputs;
            yield return Labels;
            if (Targets is not null)
                yield return Targets;
            if (Mask is not null)
                yield return Mask;
        }
    }

    /// <summary>Some of the samples, as views.</summary>
    /// <param name="start">The first of them.</param>
    /// <param name="count">How many.</param>
    public Batch Slice(int start, int count) =>
        this with
        {
            Inputs = Inputs.Slice(0, start, start + count),
            Labels = Labels.Slice(0, start, start + count),
            Targets = Targets?.Slice(0, start, start + count),
            Mask = Mask?.Slice(0, start, start + count),
            Indices = [.. Indices.Skip(start).Take(count)],
            Views = Views is null ? null : [.. Views.Skip(start).Take(count)],
        };

    /// <summary>Frees the tensors, where no scope does.</summary>
    public void Dispose()
    {
        foreach (var tensor in Tensors)
            tensor.Dispose();
    }
}
