using System.Buffers;
using Microsoft.Extensions.AI;
using Tessera.Data;
using Tessera.Data.Imaging;
using Tessera.Training.Bundles;
using Tessera.Training.Tasks;

namespace Tessera.Hosting;

/// <summary>
/// An image for a <see cref="Predictor"/>, which reads and decodes it when its turn comes: an <see cref="Image"/>, the path of a file, or
/// the bytes of one. Each becomes an input by itself where a method takes one.
/// </summary>
public sealed class ImageInput
{
    private readonly Func<ModelBundle, GivenSample> open;

    private ImageInput(Func<ModelBundle, GivenSample> open) => this.open = open;

    /// <summary>An image.</summary>
    /// <param name="image">The image; it must not be disposed of before the answer is there.</param>
    public static ImageInput FromImage(Image image) => new(bundle => bundle.Read(image));

    /// <summary>A file.</summary>
    /// <param name="path">Its path.</param>
    public static ImageInput FromFile(string path) => new(bundle => bundle.Read([path]).Single());

    /// <summary>The bytes of a file.</summary>
    /// <param name="file">The bytes; they must stay as they are until the answer is there.</param>
    public static ImageInput FromBytes(ReadOnlyMemory<byte> file) => new(bundle => bundle.Read(Image.Decode(file.Span)));

    /// <summary>Content of a media type <c>image/*</c>.</summary>
    /// <param name="content">The content.</param>
    /// <exception cref="DataException">It is of another media type.</exception>
    public static ImageInput FromContent(DataContent content) =>
        content.HasTopLevelMediaType("image")
            ? FromBytes(content.Data)
            : throw new DataException($"the media type must be image/*, not {content.MediaType}");

    /// <inheritdoc cref="FromImage"/>
    public static implicit operator ImageInput(Image image) => FromImage(image);

    /// <inheritdoc cref="FromFile"/>
    public static implicit operator ImageInput(string path) => FromFile(path);

    /// <inheritdoc cref="FromBytes"/>
    public static implicit operator ImageInput(byte[] file) => FromBytes(file);

    /// <inheritdoc cref="FromBytes"/>
    public static implicit operator ImageInput(ReadOnlyMemory<byte> file) => FromBytes(file);

    /// <summary>The bytes that are left in a stream.</summary>
    /// <param name="stream">Read to its end; it stays open.</param>
    /// <param name="limit">Most bytes that it may have, at least 1; 64 MiB by default.</param>
    /// <param name="cancellation">Ends reading.</param>
    /// <exception cref="DataException">There are more bytes.</exception>
    public static async Task<ImageInput> ReadAsync(Stream stream, int limit = 64 << 20, CancellationToken cancellation = default)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(limit, 1);
        using var read = new MemoryStream();
        var part = ArrayPool<byte>.Shared.Rent(1 << 16);
        try
        {
            int count;
            while ((count = await stream.ReadAsync(part, cancellation).ConfigureAwait(false)) > 0)
            {
                if (read.Length + count > limit)
                    throw new DataException($"image: the file must have at most {limit} bytes");
                read.Write(part, 0, count);
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(part);
        }
        return FromBytes(read.ToArray());
    }

    /// <summary>The image as a bundle reads it.</summary>
    /// <param name="bundle">Prepares it for its model.</param>
    /// <param name="decoded">Told when it has been decoded.</param>
    /// <param name="cancellation">Looked at before and after.</param>
    internal GivenSample Sample(ModelBundle bundle, Action decoded, CancellationToken cancellation)
    {
        cancellation.ThrowIfCancellationRequested();
        return open(bundle)
            .Then(() =>
            {
                decoded();
                cancellation.ThrowIfCancellationRequested();
            });
    }
}
