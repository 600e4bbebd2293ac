using Tessera.Data.Transforms;

namespace Tessera.Data.Loading;

/// <summary>A data set that a loader makes batches of.</summary>
/// <inheritdoc cref="Dataset(string, string, Annotations)"/>
public abstract class LoadableDataset(string name, string split, Annotations annotations) : Dataset(name, split, annotations)
{
    /// <summary>Whether reading a sample is no more than a copy.</summary>
    public virtual bool InMemory => false;

    /// <inheritdoc/>
    public abstract override LoadableDataset Part(IReadOnlyList<int> indices, string? split = null);

    /// <inheritdoc/>
    public abstract override LoadableDataset Relabelled(Annotations annotations);

    /// <summary>Why batches cannot be made on a device; null when they can.</summary>
    /// <param name="pipeline">Transforms of the samples.</param>
    public virtual string? DeviceObstacle(Pipeline pipeline) => "only images lie on a device";

    /// <summary>Gives each worker a builder of its own.</summary>
    /// <exception cref="DataException">The pipeline is not for these samples.</exception>
    private protected abstract Func<BatchBuilder> BuildersFor(BatchOptions options);

    /// <inheritdoc cref="BuildersFor"/>
    internal Func<BatchBuilder> Builders(BatchOptions options) => BuildersFor(options);
}

/// <summary>How batches are made.</summary>
/// <param name="Pipeline">Transforms of the samples.</param>
/// <param name="Seed">Seed of the augmentation.</param>
/// <param name="Replacement">Replacement of an unreadable sample.</param>
/// <param name="Device">Where batches are made; null for the workers' memory.</param>
internal sealed record BatchOptions(Pipeline Pipeline, ulong Seed, Replacement Replacement, Device? Device);
