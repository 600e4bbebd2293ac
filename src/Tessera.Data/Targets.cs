namespace Tessera.Data;

/// <summary>Targets of a batch: each kind of task has a kind of its own.</summary>
public abstract record Targets : ITensorBag
{
    /// <summary>Number of samples.</summary>
    public abstract int Count { get; }

    /// <inheritdoc/>
    public abstract IEnumerable<Tensor> Tensors { get; }

    /// <summary>The targets of some of the samples, as views.</summary>
    /// <param name="start">First sample.</param>
    /// <param name="count">Number of samples.</param>
    public abstract Targets Slice(int start, int count);

    /// <summary>The same targets on a device.</summary>
    public abstract Targets To(Device device);
}

/// <summary>One class per sample.</summary>
/// <param name="Labels">Class indices [B], int64.</param>
/// <param name="Soft">
/// Distributions over the classes [B, classes], where mixing or smoothing made some; null where a class alone counts.
/// </param>
public sealed record ClassTargets(Tensor Labels, Tensor? Soft = null) : Targets
{
    /// <inheritdoc/>
    public override int Count => (int)Labels.Size(0);

    /// <inheritdoc/>
    public override IEnumerable<Tensor> Tensors => Soft is null ? [Labels] : [Labels, Soft];

    /// <inheritdoc/>
    public override ClassTargets Slice(int start, int count) =>
        new(Labels.Slice(0, start, start + count), Soft?.Slice(0, start, start + count));

    /// <inheritdoc/>
    public override ClassTargets To(Device device) => new(Labels.To(device), Soft?.To(device));

    /// <summary>The class targets of a batch.</summary>
    /// <exception cref="DataException">The batch has targets of another kind.</exception>
    public static ClassTargets Of(Batch batch) =>
        batch.Targets as ClassTargets
        ?? throw new DataException($"one class per sample is needed, and the batch has {batch.Targets.GetType().Name}");
}

/// <summary>Samples without targets, as self-supervised methods take them.</summary>
/// <param name="Count">Number of samples.</param>
public sealed record NoTargets(int Count) : Targets
{
    /// <inheritdoc/>
    public override int Count { get; } = Count;

    /// <inheritdoc/>
    public override IEnumerable<Tensor> Tensors => [];

    /// <inheritdoc/>
    public override NoTargets Slice(int start, int count) => new(count);

    /// <inheritdoc/>
    public override NoTargets To(Device device) => this;
}

/// <summary>Samples that are queries or are searched; their positions say which.</summary>
/// <param name="Truth">Of the whole data set: <see cref="QueryGalleryLabels"/> or <see cref="LandmarkQueries"/>.</param>
/// <param name="Count">Number of samples of the batch.</param>
public sealed record RetrievalTargets(Annotations Truth, int Count) : Targets
{
    /// <inheritdoc/>
    public override int Count { get; } = Count;

    /// <inheritdoc/>
    public override IEnumerable<Tensor> Tensors => [];

    /// <inheritdoc/>
    public override RetrievalTargets Slice(int start, int count) => new(Truth, count);

    /// <inheritdoc/>
    public override RetrievalTargets To(Device device) => this;
}
