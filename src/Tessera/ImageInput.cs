using Tessera.Data;
using Tessera.Training.Bundles;
using Tessera.Training.Tasks;

namespace Tessera.Hosting;

/// <summary>
/// An image for a <see cref="Predictor"/>, which decodes it when its turn comes: a path, or the bytes of a file. Both become one by
/// themselves where a method takes one.
/// </summary>
public sealed class ImageInput
{
    private readonly Func<ModelBundle, GivenSample> open;

    private ImageInput(Func<ModelBundle, GivenSample> open) => this.open = open;

    /// <summary>A file.</summary>
    /// <param name="path">Its path.</param>
    public static ImageInput FromFile(string path) => new(bundle => bundle.Read([path]).Single());

    /// <summary>The bytes of a file.</summary>
    /// <param name="file">The bytes; they must stay as they are until the answer is there.</param>
    /// <param name="name">Names the image in answers and errors.</param>
    public static ImageInput FromBytes(ReadOnlyMemory<byte> file, string name = "image") =>
        new(bundle => new(name, () => new(EncodedImage.Prepare(bundle, file, name))));

    /// <summary>A file.</summary>
    /// <param name="path">Its path.</param>
    public static implicit operator ImageInput(string path) => FromFile(path);

    /// <summary>The bytes of a file.</summary>
    /// <param name="file">The bytes; they must stay as they are until the answer is there.</param>
    public static implicit operator ImageInput(byte[] file) => FromBytes(file);

    /// <summary>The bytes of a file.</summary>
    /// <param name="file">The bytes; they must stay as they are until the answer is there.</param>
    public static implicit operator ImageInput(ReadOnlyMemory<byte> file) => FromBytes(file);

    /// <summary>The bytes that are left in a stream.</summary>
    /// <param name="stream">Read to its end.</param>
    /// <param name="limit">Most bytes that it may have, at least 1.</param>
    /// <param name="name">Names the image in answers and errors.</param>
    /// <param name="cancellation">Ends reading.</param>
    /// <exception cref="DataException">There are more bytes.</exception>
    public static async Task<ImageInput> ReadAsync(
        Stream stream,
        int limit = 64 << 20,
        string name = "image",
        CancellationToken cancellation = default
    )
    {
        using var read = new MemoryStream();
        var part = new byte[1 << 16];
        int count;
        while ((count = await stream.ReadAsync(part, cancellation).ConfigureAwait(false)) > 0)
        {
            if (read.Length + count > limit)
                throw new DataException($"{name}: the file must have at most {limit} bytes");
            read.Write(part, 0, count);
        }
        return FromBytes(read.ToArray(), name);
    }

    /// <summary>The image as a bundle reads it.</summary>
    /// <param name="bundle">Prepares it for its model.</param>
    /// <param name="decoded">Told when it has been decoded.</param>
    /// <param name="cancellation">Looked at before and after.</param>
    internal GivenSample Sample(ModelBundle bundle, Action decoded, CancellationToken cancellation)
    {
        var sample = open(bundle);
        return sample with
        {
            Read = () =>
            {
                cancellation.ThrowIfCancellationRequested();
                var input = sample.Read();
                decoded();
                cancellation.ThrowIfCancellationRequested();
                return input;
            },
        };
    }
}
