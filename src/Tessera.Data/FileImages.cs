using Tessera.Data.Imaging;

namespace Tessera.Data;

/// <summary>Images in files, decoded as they are read.</summary>
public sealed class FileImages : ImageDataset
{
    private readonly IReadOnlyList<string> paths;

    /// <summary>A data set of files.</summary>
    /// <param name="name">Name in the registry.</param>
    /// <param name="split">Which part.</param>
    /// <param name="classNames">Name per class.</param>
    /// <param name="paths">A file per image.</param>
    /// <param name="labels">Class per image.</param>
    /// <param name="normalization">Mean and deviation; ImageNet's when null.</param>
    /// <exception cref="DataException">Not one label per file.</exception>
    public FileImages(
        string name,
        string split,
        IReadOnlyList<string> classNames,
        IReadOnlyList<string> paths,
        IReadOnlyList<int> labels,
        Normalization? normalization = null
    )
        : base(name, split, classNames, labels)
    {
        if (paths.Count != labels.Count)
            throw new DataException($"{name} ({split}): {paths.Count} files and {labels.Count} labels");
        this.paths = paths;
        Normalization = normalization ?? Normalization.ImageNet;
    }

    /// <inheritdoc/>
    public override int Channels => 3;

    /// <inheritdoc/>
    public override int? Height => null;

    /// <inheritdoc/>
    public override int? Width => null;

    /// <inheritdoc/>
    public override Normalization Normalization { get; }

    /// <inheritdoc/>
    public override string SampleName(int index) => paths[index];

    /// <inheritdoc/>
    public override void Read(int index, Raster target)
    {
        using var file = Open(index);
        file.Decode(target, Channels);
    }

    /// <inheritdoc/>
    public override ImageFile Open(int index)
    {
        try
        {
            return ImageFile.Open(paths[index]);
        }
        catch (DataException error) when (error is not UnreadableImageException)
        {
            // A file that has gone or may not be read is an unreadable image too.
            throw new UnreadableImageException(paths[index], error.Message);
        }
    }
}
