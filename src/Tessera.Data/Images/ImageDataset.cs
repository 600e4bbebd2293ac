using Tessera.Data.Imaging;
using Tessera.Data.Loading;
using Tessera.Data.Transforms;

namespace Tessera.Data.Images;

/// <summary>Images with annotations.</summary>
/// <inheritdoc cref="Dataset(string, string, Annotations)"/>
public abstract class ImageDataset(string name, string split, Annotations annotations) : LoadableDataset(name, split, annotations)
{
    /// <summary>Images with a class each.</summary>
    /// <param name="name">Name in the registry.</param>
    /// <param name="split">Which part.</param>
    /// <param name="classNames">Name per class; the position is the label.</param>
    /// <param name="labels">Class per image.</param>
    /// <exception cref="DataException">A label without a class.</exception>
    protected ImageDataset(string name, string split, IReadOnlyList<string> classNames, IReadOnlyList<int> labels)
        : this(name, split, new ClassLabels(classNames, labels, $"{name} ({split})")) { }

    /// <summary>1 for grey images, 3 for colour.</summary>
    public abstract int Channels { get; }

    /// <summary>Height in pixels; null when images differ.</summary>
    public abstract int? Height { get; }

    /// <summary>Width in pixels; null when images differ.</summary>
    public abstract int? Width { get; }

    /// <summary>Mean and deviation of the training images.</summary>
    public abstract Normalization Normalization { get; }

    /// <summary>Whether images are turned as a camera's mark says.</summary>
    internal virtual bool FollowsOrientation => true;

    /// <summary>
    /// Reads an image, decoded and in <see cref="Channels"/> channels, into a raster, which takes on its size. May be called on several
    /// threads.
    /// </summary>
    /// <exception cref="UnreadableImageException">The file cannot be decoded.</exception>
    public abstract void Read(int index, Raster target);

    /// <summary>Opens the file of an image, to decode no more of it than is wanted; null where images are not files.</summary>
    /// <exception cref="UnreadableImageException">The file cannot be opened.</exception>
    public virtual ImageFile? Open(int index) => null;

    /// <inheritdoc/>
    public override ImageDataset Part(IReadOnlyList<int> indices, string? split = null) =>
        new ImageSubset(this, Checked(indices), Annotations.Part(indices), split) { Remarks = Remarks };

    /// <inheritdoc/>
    public override ImageDataset Relabelled(Annotations annotations) =>
        new ImageSubset(this, [.. Enumerable.Range(0, Count)], Checked(annotations)) { Remarks = Remarks };

    /// <summary>The same images, brought to another mean and deviation.</summary>
    /// <param name="normalization">Takes the place of <see cref="Normalization"/>.</param>
    public ImageDataset Normalized(Normalization normalization) =>
        new ImageSubset(this, [.. Enumerable.Range(0, Count)], Annotations, normalization: normalization) { Remarks = Remarks };

    /// <inheritdoc/>
    public override string? DeviceObstacle(Pipeline pipeline) =>
        this is not { InMemory: true, Height: not null, Width: not null }
            ? "its images are decoded from files, and only images in memory can lie on a device"
            : DeviceBatches.Obstacle(pipeline.Views.SelectMany(view => view))
                ?? (pipeline.Views.Count > 1 ? "batches with several views are made on the processor only" : null);

    private protected override Func<BatchBuilder> BuildersFor(BatchOptions options)
    {
        if (options.Device is { } device)
        {
            var onDevice = new DeviceImages(this, options.Pipeline, device);
            return () => new DeviceBatchBuilder(this, onDevice, options.Pipeline, options.Seed);
        }
        var memory = new BatchMemory();
        return () => new ImageBatchBuilder(this, options.Pipeline, options.Seed, memory, options.Replacement);
    }
}

/// <summary>Some images of a data set; everything else is the data set's own.</summary>
internal sealed class ImageSubset(
    ImageDataset whole,
    IReadOnlyList<int> indices,
    Annotations annotations,
    string? split = null,
    Normalization? normalization = null
) : ImageDataset(whole.Name, split ?? whole.Split, annotations)
{
    public override int Channels => whole.Channels;

    public override int? Height => whole.Height;

    public override int? Width => whole.Width;

    public override Normalization Normalization => normalization ?? whole.Normalization;

    public override bool InMemory => whole.InMemory;

    internal override bool FollowsOrientation => whole.FollowsOrientation;

    public override string SampleName(int index) => whole.SampleName(indices[index]);

    public override void Read(int index, Raster target) => whole.Read(indices[index], target);

    public override ImageFile? Open(int index) => whole.Open(indices[index]);
}
