using System.Runtime.InteropServices;

namespace Tessera.Data.Imaging.Codecs;

/// <summary>Decoded pixels of 8 bits per value in native memory, [H, W, bands].</summary>
internal sealed unsafe class PixelBlock : IDisposable
{
    private PixelBlock(int height, int width, int bands)
    {
        (Height, Width, Bands) = (height, width, bands);
        Memory = (nint)NativeMemory.Alloc((nuint)Length);
    }

    internal int Height { get; }

    internal int Width { get; }

    internal int Bands { get; }

    /// <summary>Where the pixels lie.</summary>
    internal nint Memory { get; private set; }

    internal int Length => checked(Height * Width * Bands);

    /// <summary>All values.</summary>
    internal Span<byte> Values => new((void*)Memory, Length);

    /// <summary>Memory for an image, whose values are undefined.</summary>
    internal static PixelBlock Of(int height, int width, int bands) => new(height, width, bands);

    /// <summary>Checks the size that a header announces, before memory is asked for.</summary>
    /// <param name="path">Names the image in errors.</param>
    /// <param name="height">Rows.</param>
    /// <param name="width">Columns.</param>
    /// <param name="most">Most pixels that an image may have.</param>
    /// <exception cref="UnreadableImageException">No pixels, or too many.</exception>
    internal static void CheckSize(string path, long height, long width, long most)
    {
        if (height < 1 || width < 1)
            throw new UnreadableImageException(path, $"{width}x{height} pixels: both must be at least 1");
        if (height > most / width)
            throw new UnreadableImageException(path, $"{width}x{height} pixels: more than {most} (data.max_pixels)");
    }

    public void Dispose()
    {
        NativeMemory.Free((void*)Memory);
        Memory = 0;
    }
}
