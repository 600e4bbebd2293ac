using Tessera.Data.Imaging;

namespace Tessera.Data;

/// <summary>Labelled images.</summary>
public abstract class ImageDataset : Dataset
{
    /// <inheritdoc cref="Dataset(string, string, IReadOnlyList{string}, IReadOnlyList{int})"/>
    protected ImageDataset(string name, string split, IReadOnlyList<string> classNames, IReadOnlyList<int> labels)
        : base(name, split, classNames, labels) { }

    /// <summary>1 for grey images, 3 for colour.</summary>
    public abstract int Channels { get; }

    /// <summary>Height in pixels; null when images differ.</summary>
    public abstract int? Height { get; }

    /// <summary>Width in pixels; null when images differ.</summary>
    public abstract int? Width { get; }

    /// <summary>Mean and deviation of the training images.</summary>
    public abstract Normalization Normalization { get; }

    /// <summary>Whether reading a sample is no more than a copy.</summary>
    public virtual bool InMemory => false;

    /// <summary>Reads an image, decoded and in <see cref="Channels"/> channels, into a raster, which takes on its size. May be called on several threads.</summary>
    /// <exception cref="UnreadableImageException">The file cannot be decoded.</exception>
    public abstract void Read(int index, Raster target);

    /// <summary>Opens the file of an image, to decode no more of it than is wanted; null where images are no files.</summary>
    /// <exception cref="UnreadableImageException">The file cannot be opened.</exception>
    public virtual ImageFile? Open(int index) => null;
}

/// <summary>An image that cannot be decoded.</summary>
public sealed class UnreadableImageException : DataException
{
    /// <summary>An error of a file.</summary>
    public UnreadableImageException(string file, string problem)
        : base($"{file}: {problem}") => (File, Problem) = (file, problem);

    /// <summary>Path of the file.</summary>
    public string File { get; }

    /// <summary>What is wrong with it.</summary>
    public string Problem { get; }
}
