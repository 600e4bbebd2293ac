namespace Tessera.Data.Imaging;

/// <summary>Decoding of image files: JPEG, PNG, WebP, TIFF through libvips, GIF (first frame), BMP and PNM by itself.</summary>
public static class ImageDecoder
{
    /// <summary>Most pixels that an image may have by default, as in Pillow: a file of a few bytes can announce any size.</summary>
    public const int LargestImage = 178_956_970;

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
    /// <param name="orient">Whether a camera's orientation mark is followed. A TIFF is always turned.</param>
    /// <exception cref="UnreadableImageException">Not an image of these formats, or a damaged one.</exception>
    public static void Decode(string path, Raster target, int channels = 3, bool orient = false)
    {
        using var file = ImageFile.Open(path, orient);
        file.Decode(target, channels);
    }

    /// <summary>Height and width of an image as its header says.</summary>
    /// <exception cref="UnreadableImageException">Not an image of these formats.</exception>
    public static (int Height, int Width) Size(string path)
    {
        using var file = ImageFile.Open(path);
        return (file.Height, file.Width);
    }

    /// <summary>Decodes an 8-bit image as it is stored, pixel by pixel.</summary>
    internal static (byte[] Pixels, int Height, int Width, int Channels) DecodeBytes(string path)
    {
        using var image = Load(path, ReadFile(path), new());
        return (image.Bytes(), image.Height, image.Width, image.Bands);
    }

    /// <summary>All bytes of a file; a pipe or device is not opened, because that may wait for ever.</summary>
    internal static byte[] ReadFile(string path)
    {
        Vips.Start();
        return Vips.IsNoFile(path)
            ? throw new UnreadableImageException(path, "not a file but a folder, a pipe or a device")
            : DataFiles.ReadAll(path);
    }

    internal static VipsImage Load(string path, ReadOnlySpan<byte> file, Opening opening)
    {
        if (file.IsEmpty)
            throw new UnreadableImageException(path, "an empty file");
        // Only formats that are asked for reach libvips, which knows many more.
        return ImageFormats.Of(file) is { } format
            ? VipsImage.Load(path, format, file, opening)
            : throw new UnreadableImageException(path, "not a JPEG, PNG, WebP, GIF, TIFF, BMP or PNM image");
    }
}
