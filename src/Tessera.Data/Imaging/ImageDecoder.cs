using Tessera.Data.Formats;

namespace Tessera.Data.Imaging;

/// <summary>Decoding of image files through libvips.</summary>
public static class ImageDecoder
{
    private const int UnsignedByte = 0;

    /// <summary>Most pixels that an image may have: a file of a few bytes can announce any size.</summary>
    public const long LargestImage = 1L << 28;

    /// <summary>Decodes an 8-bit image as it is stored.</summary>
    /// <returns>Pixels [H, W, C] and their sizes.</returns>
    /// <exception cref="UnreadableImageException">No image, a damaged one, or one of another depth.</exception>
    public static unsafe (byte[] Pixels, int Height, int Width, int Channels) DecodeBytes(string path, ReadOnlySpan<byte> file)
    {
        Vips.Start();
        fixed (byte* start = file)
        {
            var image = Vips.FromBuffer(start, (nuint)file.Length, "[access=sequential,fail_on=truncated]", 0);
            if (image == 0) throw new UnreadableImageException(path, Vips.TakeError());
            try
            {
                var (height, width, channels) = (Vips.Height(image), Vips.Width(image), Vips.Bands(image));
                if ((long)height * width > LargestImage) throw new UnreadableImageException(path, $"{width}x{height} pixels: more than {LargestImage}");
                if (Vips.Format(image) != UnsignedByte) throw new UnreadableImageException(path, "not an image of 8 bits per value");
                var memory = Vips.WriteToMemory(image, out var length);
                if (memory == 0) throw new UnreadableImageException(path, Vips.TakeError());
                var pixels = new ReadOnlySpan<byte>((void*)memory, checked((int)length)).ToArray();
                Vips.Free(memory);
                return (pixels, height, width, channels);
            }
            finally
            {
                Vips.Unref(image);
            }
        }
    }

    internal static (byte[] Pixels, int Height, int Width, int Channels) DecodeBytes(string path) => DecodeBytes(path, DataFiles.ReadAll(path));
}
