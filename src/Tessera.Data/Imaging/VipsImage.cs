using System.Runtime.InteropServices;

namespace Tessera.Data.Imaging;

/// <summary>An image that libvips has opened; decoded when its pixels are asked for.</summary>
internal sealed unsafe class VipsImage : IDisposable
{
    private const int UnsignedByte = 0;
    private const int UnsignedShort = 2;
    private const int Cmyk = 15;

    private readonly string path;
    // The file's bytes in native memory: libvips reads them again and again until the image goes.
    private void* memory;
    private nint handle;

    private VipsImage(string path, nint handle, void* memory)
    {
        (this.path, this.handle) = (path, handle);
        this.memory = memory;
    }

    internal int Height => Vips.Height(handle);

    internal int Width => Vips.Width(handle);

    internal int Bands => Vips.Bands(handle);

    internal static VipsImage Load(string path, ReadOnlySpan<byte> file)
    {
        Vips.Start();
        var memory = NativeMemory.Alloc((nuint)file.Length);
        file.CopyTo(new Span<byte>(memory, file.Length));
        var handle = Vips.FromBuffer((byte*)memory, (nuint)file.Length, "[fail_on=truncated]", 0);
        if (handle == 0)
        {
            NativeMemory.Free(memory);
            throw new UnreadableImageException(path, Vips.TakeError());
        }
        var image = new VipsImage(path, handle, memory);
        if ((long)image.Height * image.Width <= ImageDecoder.LargestImage) return image;
        var (height, width) = (image.Height, image.Width);
        image.Dispose();
        throw new UnreadableImageException(path, $"{width}x{height} pixels: more than {ImageDecoder.LargestImage}");
    }

    /// <summary>The image turned as its orientation mark says; dispose of it before this one.</summary>
    internal VipsImage Oriented()
        => Vips.AutoRotate(handle, out var turned, 0) == 0 ? new(path, turned, null) : throw new UnreadableImageException(path, Vips.TakeError());

    /// <summary>All values of an 8-bit image, [H, W, bands].</summary>
    internal byte[] Bytes()
    {
        if (Vips.Format(handle) != UnsignedByte) throw new UnreadableImageException(path, "not an image of 8 bits per value");
        var pixels = Decode(out var length);
        try
        {
            return new ReadOnlySpan<byte>((void*)pixels, length).ToArray();
        }
        finally
        {
            Vips.Free(pixels);
        }
    }

    /// <summary>Decodes into one or three channels.</summary>
    internal void CopyTo(Raster target, int channels)
    {
        var (format, bands) = (Vips.Format(handle), Bands);
        if (format is not (UnsignedByte or UnsignedShort)) throw new UnreadableImageException(path, "values of a kind other than 8 or 16 bits");
        if (bands is < 1 or > 4) throw new UnreadableImageException(path, $"{bands} channels");
        var cmyk = bands == 4 && Vips.Interpretation(handle) == Cmyk;
        var pixels = Decode(out var length);
        try
        {
            target.Resize(channels, Height, Width);
            if (format == UnsignedByte) Convert(new ReadOnlySpan<byte>((void*)pixels, length), bands, cmyk, target);
            else
            {
                // The upper halves, on a little-endian machine the second bytes.
                var wide = new ReadOnlySpan<ushort>((void*)pixels, length / 2);
                var narrow = new byte[wide.Length];
                for (var i = 0; i < narrow.Length; i++) narrow[i] = (byte)(wide[i] >> 8);
                Convert(narrow, bands, cmyk, target);
            }
        }
        finally
        {
            Vips.Free(pixels);
        }
    }

    private nint Decode(out int length)
    {
        var pixels = Vips.WriteToMemory(handle, out var bytes);
        if (pixels == 0) throw new UnreadableImageException(path, Vips.TakeError());
        length = checked((int)bytes);
        return pixels;
    }

    private static void Convert(ReadOnlySpan<byte> source, int bands, bool cmyk, Raster target)
    {
        Span<byte> first = target.Plane(0);
        var color = target.Channels == 3;
        Span<byte> second = color ? target.Plane(1) : default, third = color ? target.Plane(2) : default;
        for (int i = 0, j = 0; i < first.Length; i++, j += bands)
        {
            byte red, green, blue;
            if (bands < 3) red = green = blue = source[j];
            else (red, green, blue) = (source[j], source[j + 1], source[j + 2]);
            if (cmyk)
            {
                var rest = 255 - source[j + 3];
                (red, green, blue) = (Uncover(red, rest), Uncover(green, rest), Uncover(blue, rest));
            }
            if (color) (first[i], second[i], third[i]) = (red, green, blue);
            else first[i] = bands < 3 ? red : ColorOps.Luma(red, green, blue);
        }
    }

    // What an ink leaves of the light that black leaves; the division by 255 rounds as Pillow's does.
    private static byte Uncover(byte ink, int rest)
    {
        var product = ink * rest + 128;
        return (byte)Math.Clamp(rest - (((product >> 8) + product) >> 8), 0, 255);
    }

    public void Dispose()
    {
        if (handle == 0) return;
        Vips.Unref(handle);
        NativeMemory.Free(memory);
        handle = 0;
        memory = null;
    }
}
