namespace Tessera.Data.Imaging;

/// <summary>
/// An image that a program has: from a file, a stream or bytes, in the formats of <see cref="ImageDecoder"/>. A camera's orientation mark
/// is followed. The pixels are decoded when they are asked for, each time anew; threads may ask at once.
/// </summary>
public sealed class Image : IDisposable
{
    private const string InMemory = "image";

    private readonly long maxPixels;
    private byte[]? file;

    private Image(string name, byte[] file, long maxPixels)
    {
        (Name, this.file, this.maxPixels) = (name, file, maxPixels);
        using var header = OpenFile();
        (Height, Width) = (header.Height, header.Width);
    }

    /// <summary>Opens a file and reads its header.</summary>
    /// <param name="path">The file.</param>
    /// <param name="maxPixels">Most pixels that it may have.</param>
    /// <exception cref="UnreadableImageException">There is no such file, or it is no image of these formats.</exception>
    public static Image Open(string path, long maxPixels = ImageDecoder.LargestImage)
    {
        try
        {
            return new(path, ImageDecoder.ReadFile(path), maxPixels);
        }
        catch (DataException error) when (error is not UnreadableImageException)
        {
            // A file that has gone or may not be read is an unreadable image too, as in a data set.
            throw new UnreadableImageException(path, error.Message);
        }
    }

    /// <summary>Reads a stream from where it stands to its end, and the header of the image in it. The stream stays open.</summary>
    /// <param name="stream">The bytes of an image file.</param>
    /// <param name="maxPixels">Most pixels that it may have.</param>
    /// <exception cref="UnreadableImageException">No image of these formats.</exception>
    public static Image Open(Stream stream, long maxPixels = ImageDecoder.LargestImage)
    {
        using var bytes = new MemoryStream();
        stream.CopyTo(bytes);
        return new(stream is FileStream known ? known.Name : InMemory, bytes.ToArray(), maxPixels);
    }

    /// <summary>Takes a copy of the bytes of an image file and reads its header.</summary>
    /// <param name="file">All bytes of the file.</param>
    /// <param name="maxPixels">Most pixels that it may have.</param>
    /// <exception cref="UnreadableImageException">No image of these formats.</exception>
    public static Image Decode(ReadOnlySpan<byte> file, long maxPixels = ImageDecoder.LargestImage) =>
        new(InMemory, file.ToArray(), maxPixels);

    /// <summary>Its file, for messages; <c>image</c> where it came from memory.</summary>
    public string Name { get; }

    /// <summary>Rows, as people see the image.</summary>
    public int Height { get; }

    /// <summary>Columns, as people see the image.</summary>
    public int Width { get; }

    /// <summary>
    /// The pixels as they are, in RGB: float32 in [0, 1], [3, H, W], on the CPU and owned by the current scope. Grey is repeated, opacity
    /// is dropped.
    /// </summary>
    /// <exception cref="UnreadableImageException">A damaged file.</exception>
    public Tensor ToTensor()
    {
        var raster = new Raster();
        using (var opened = OpenFile())
            opened.Decode(raster);
        return Tensor.From(Array.ConvertAll(raster.Values.ToArray(), value => value / 255f), raster.Channels, raster.Height, raster.Width);
    }

    /// <summary>Opens the file anew: whoever decodes a part has a decoder of its own.</summary>
    /// <exception cref="ObjectDisposedException">The image was disposed of.</exception>
    internal ImageFile OpenFile() => ImageFile.Open(Name, file ?? throw new ObjectDisposedException(Name), orient: true, maxPixels);

    /// <summary>Lets go of the bytes.</summary>
    public void Dispose() => file = null;
}
