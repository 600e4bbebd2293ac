namespace Tessera.Data.Imaging;

/// <summary>Decoding of image files through libvips: JPEG, PNG, WebP, GIF (first frame), TIFF, BMP and PNM.</summary>
public static class ImageDecoder
{
    /// <summary>Most pixels that an image may have, as in Pillow: a file of a few bytes can announce any size.</summary>
    public const long LargestImage = 178_956_970;

    /// <summary>Endings of the file names that folders of images are searched for.</summary>
    public static IReadOnlyList<string> Extensions { get; } =
    [".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp", ".gif"];

    /// <summary>Decodes a file into colours, or grey when the target is to have one channel.</summary>
    /// <remarks>
    /// Palettes are looked up, alpha is dropped, 16 bits are cut to 8, CMYK becomes RGB as Pillow does it, and grey is repeated or made
    /// of colours by <see cref="ColorOps.Luma"/>.
    /// </remarks>
    /// <param name="path">The file.</param>
    /// <param name="target">Takes on the image's size.</param>
    /// <param name="channels">1 or 3.</param>
    /// <param name="orient">Whether a camera's orientation mark is followed; training pipelines leave it.</param>
    /// <exception cref="UnreadableImageException">Not an image of these formats, or a damaged one.</exception>
    public static void Decode(string path, Raster target, int channels = 3, bool orient = false) =>
        Decode(path, DataFiles.ReadAll(path), target, channels, orient);

    /// <inheritdoc cref="Decode(string, Raster, int, bool)"/>
    /// <param name="path">Names the image in errors.</param>
    /// <param name="file">Its bytes.</param>
    /// <param name="target">Takes on the image's size.</param>
    /// <param name="channels">1 or 3.</param>
    /// <param name="orient">Whether a camera's orientation mark is followed.</param>
    public static void Decode(string path, ReadOnlySpan<byte> file, Raster target, int channels = 3, bool orient = false)
    {
        using var image = Load(path, file, rows: !orient);
        if (orient)
        {
            using var turned = image.Oriented();
            turned.CopyTo(target, channels);
        }
        else
            new Strips(image, new(0, 0, image.Height, image.Width), channels).CopyTo(target);
    }

    /// <summary>Height and width of an image as its header says, without decoding it.</summary>
    /// <exception cref="UnreadableImageException">Not an image of these formats.</exception>
    public static (int Height, int Width) Size(string path)
    {
        using var image = Load(path, DataFiles.ReadAll(path), rows: true);
        return (image.Height, image.Width);
    }

    /// <summary>Decodes an 8-bit image as it is stored, pixel by pixel.</summary>
    internal static (byte[] Pixels, int Height, int Width, int Channels) DecodeBytes(string path)
    {
        using var image = Load(path, DataFiles.ReadAll(path), rows: false);
        return (image.Bytes(), image.Height, image.Width, image.Bands);
    }

    internal static VipsImage Load(string path, ReadOnlySpan<byte> file, bool rows, int shrink = 1)
    {
        if (file.IsEmpty)
            throw new UnreadableImageException(path, "an empty file");
        if (!IsKnown(file))
            throw new UnreadableImageException(path, "not a JPEG, PNG, WebP, GIF, TIFF, BMP or PNM image");
        return VipsImage.Load(path, file, rows, shrink);
    }

    // Only formats that are asked for reach libvips, which knows many more.
    private static bool IsKnown(ReadOnlySpan<byte> file) =>
        file.StartsWith<byte>([0xFF, 0xD8, 0xFF])
        || file.StartsWith<byte>([0x89, (byte)'P', (byte)'N', (byte)'G'])
        || file.StartsWith("GIF8"u8)
        || file.StartsWith("BM"u8)
        || file.StartsWith<byte>([(byte)'I', (byte)'I', 42, 0])
        || file.StartsWith<byte>([(byte)'M', (byte)'M', 0, 42])
        || (file.Length > 12 && file.StartsWith("RIFF"u8) && file[8..].StartsWith("WEBP"u8))
        || (file.Length > 2 && file[0] == 'P' && file[1] is >= (byte)'1' and <= (byte)'6');
}
