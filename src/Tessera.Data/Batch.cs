namespace Tessera.Data;

/// <summary>
/// The samples of a batch as the model sees them. Methods that compare several views of a sample have batches with several.
/// </summary>
/// <param name="Inputs">Images [B, C, H, W] in float32, augmented and normalised, on the device of the loader; or word ids [B, S].</param>
public sealed record BatchView(Tensor Inputs) : ITensorBag
{
    /// <summary>Which positions of the inputs are real, where some are padding: true for real words, [B, S].</summary>
    public Tensor? Mask { get; init; }

    /// <summary>
    /// Which part of its original each image shows, its padding included (<see cref="Sizes"/>); null where that is not known.
    /// </summary>
    public IReadOnlyList<ImageView>? Images { get; init; }

    /// <summary>
    /// Size of each image where images of different sizes are in the batch (<c>pad_batch</c>): it lies at the upper left of the inputs, and
    /// what is below and to the right of it is padding. Null where all images are as large as the inputs.
    /// </summary>
    public IReadOnlyList<ImageSize>? Sizes { get; init; }

    /// <inheritdoc/>
    public IEnumerable<Tensor> Tensors => Mask is null ? [Inputs] : [Inputs, Mask];

    /// <summary>Some of the samples, as views of the tensors.</summary>
    public BatchView Slice(int start, int count) =>
        this with
        {
            Inputs = Inputs.Slice(0, start, start + count),
            Mask = Mask?.Slice(0, start, start + count),
            Images = Images is null ? null : [.. Images.Skip(start).Take(count)],
            Sizes = Sizes is null ? null : [.. Sizes.Skip(start).Take(count)],
        };

    /// <summary>The same view on a device.</summary>
    public BatchView To(Device device) => this with { Inputs = Inputs.To(device), Mask = Mask?.To(device) };
}

/// <summary>A batch of samples: a loader gives it, a training step consumes it.</summary>
/// <param name="Views">The samples as the model sees them: one view, or several of the same samples.</param>
/// <param name="Targets">Targets of the samples.</param>
/// <param name="Indices">Position of each sample in its data set.</param>
public sealed record Batch(IReadOnlyList<BatchView> Views, Targets Targets, IReadOnlyList<int> Indices) : ITensorBag, IDisposable
{
    /// <summary>A batch with one view.</summary>
    public Batch(Tensor inputs, Targets targets, IReadOnlyList<int> indices)
        : this([new(inputs)], targets, indices) { }

    /// <summary>Inputs of the first view.</summary>
    public Tensor Inputs => Views[0].Inputs;

    /// <summary>Mask of the first view.</summary>
    public Tensor? Mask => Views[0].Mask;

    /// <summary>Images that could not be read while this batch was made: others stand in their place, or they are left out.</summary>
    public IReadOnlyList<UnreadableImage> Unreadable { get; init; } = [];

    /// <summary>Number of samples.</summary>
    public int Count => Indices.Count;

    /// <summary>Samples of the batch in all processes together, where several share it.</summary>
    public int GlobalCount
    {
        get => field > 0 ? field : Count;
        init;
    }

    /// <summary>
    /// Whether its sample belongs to another process and counts nothing here: no sample of the batch fell to this process, which takes part
    /// all the same.
    /// </summary>
    public bool IsPlaceholder { get; init; }

    /// <inheritdoc/>
    public IEnumerable<Tensor> Tensors => Views.SelectMany(view => view.Tensors).Concat(Targets.Tensors);

    /// <summary>Some of the samples, as views of the tensors.</summary>
    /// <param name="start">The first of them.</param>
    /// <param name="count">How many.</param>
    public Batch Slice(int start, int count) =>
        this with
        {
            Views = [.. Views.Select(view => view.Slice(start, count))],
            Targets = Targets.Slice(start, count),
            Indices = [.. Indices.Skip(start).Take(count)],
        };

    /// <summary>The same batch on a device.</summary>
    public Batch To(Device device) => this with { Views = [.. Views.Select(view => view.To(device))], Targets = Targets.To(device) };

    /// <summary>Frees the tensors, where no scope does.</summary>
    public void Dispose()
    {
        foreach (var tensor in Tensors)
            tensor.Dispose();
    }
}

/// <summary>An image that could not be decoded.</summary>
/// <param name="Index">Position in the data set.</param>
/// <param name="Name">Its file.</param>
/// <param name="Problem">The problem.</param>
public sealed record UnreadableImage(int Index, string Name, string Problem);
