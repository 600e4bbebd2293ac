using Tessera.Data.Imaging;

namespace Tessera.Data.Images;

/// <summary>Images in files, decoded as they are read.</summary>
public sealed class FileImages : ImageDataset
{
    private readonly IReadOnlyList<string> paths;

    /// <summary>A data set of files.</summary>
    /// <param name="name">Name in the registry.</param>
    /// <param name="split">Which part.</param>
    /// <param name="paths">A file per image.</param>
    /// <param name="annotations">Annotations, one per image.</param>
    /// <param name="normalization">Mean and deviation; ImageNet's when null.</param>
    /// <param name="channels">1 to read all files as grey images, 3 as colours.</param>
    /// <exception cref="DataException">Not one annotation per file.</exception>
    public FileImages(
        string name,
        string split,
        IReadOnlyList<string> paths,
        Annotations annotations,
        Normalization? normalization = null,
        int channels = 3
    )
        : base(name, split, annotations)
    {
        Channels = channels;
        if (paths.Count != annotations.Count)
            throw new DataException($"{name} ({split}): {paths.Count} files and {annotations.Count} annotations");
        this.paths = paths;
        Normalization = normalization ?? Normalization.ImageNet;
        Channels = channels;
    }

    /// <summary>A data set of files with a class each.</summary>
    /// <param name="name">Name in the registry.</param>
    /// <param name="split">Which part.</param>
    /// <param name="classNames">Name per class.</param>
    /// <param name="paths">A file per image.</param>
    /// <param name="labels">Class per image.</param>
    /// <param name="normalization">Mean and deviation; ImageNet's when null.</param>
    /// <exception cref="DataException">Not one label per file, or a label without a class.</exception>
    public FileImages(
        string name,
        string split,
        IReadOnlyList<string> classNames,
        IReadOnlyList<string> paths,
        IReadOnlyList<int> labels,
        Normalization? normalization = null
    )
        : this(name, split, paths, new ClassLabels(classNames, labels, $"{name} ({split})"), normalization) { }

    /// <inheritdoc/>
    public override int Channels { get; }

    /// <summary>
    /// Whether a camera's orientation mark is followed: by default, so that a model sees every image as people do, in training, evaluation
    /// and prediction alike. That of a TIFF always is.
    /// </summary>
    public bool Orient { get; init; } = true;

    internal override bool FollowsOrientation => Orient;

    /// <summary>Most pixels that an image may have; a larger one is unreadable.</summary>
    public long MaxPixels { get; init; } = ImageDecoder.LargestImage;

    /// <inheritdoc/>
    public override FileImages WithMaxPixels(long most) => With(Remarks, most);

    /// <summary>The same images with other remarks.</summary>
    internal FileImages With(IReadOnlyList<string> remarks) => With(remarks, MaxPixels);

    private FileImages With(IReadOnlyList<string> remarks, long most) =>
        new(Name, Split, paths, Annotations, Normalization, Channels)
        {
            Orient = Orient,
            MaxPixels = most,
            Remarks = remarks,
        };

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
        var path = paths[index];
        try
        {
            return ImageFile.Open(path, Orient, MaxPixels);
        }
        catch (DataException error) when (error is not UnreadableImageException)
        {
            // A file that has gone or may not be read is an unreadable image too.
            throw new UnreadableImageException(path, error.Message);
        }
    }
}
