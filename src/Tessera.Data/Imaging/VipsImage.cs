using System.Runtime.InteropServices;

namespace Tessera.Data.Imaging;

/// <summary>Rows of a part of an image, pixel after pixel.</summary>
internal delegate void PixelRows(ReadOnlySpan<byte> pixels, int row, int height);

/// <summary>An image that libvips has opened; decoded when its pixels are asked for.</summary>
internal sealed unsafe class VipsImage : IDisposable
{
    private const int UnsignedByte = 0;
    private const int UnsignedShort = 2;
    private const int Cmyk = 15;

    // Whole rows of blocks of every kind of JPEG, few enough to stay in the cache.
    private const int StripRows = 16;

    private readonly string path;

    // The file's bytes in native memory: libvips reads them again and again until the image goes.
    private void* memory;
    private nint handle;

    private VipsImage(string path, nint handle, void* memory)
    {
        (this.path, this.handle) = (path, handle);
        this.memory = memory;
    }

    // libvips does not look whether there is an image.
    private nint Handle => handle != 0 ? handle : throw new ObjectDisposedException(path);

    internal int Height => Vips.Height(Handle);

    internal int Width => Vips.Width(Handle);

    internal int Bands => Vips.Bands(Handle);

    /// <summary>Opens a file's bytes: only its header is read.</summary>
    /// <param name="path">Names the image in errors.</param>
    /// <param name="file">The bytes, copied.</param>
    /// <param name="rows">Rows are asked for from top to bottom: none is kept, and none below the last is decoded.</param>
    /// <param name="shrink">JPEG: 2, 4 or 8 decodes to that part of the size.</param>
    internal static VipsImage Load(string path, ReadOnlySpan<byte> file, bool rows, int shrink = 1)
    {
        Vips.Start();
        var memory = NativeMemory.Alloc((nuint)file.Length);
        file.CopyTo(new Span<byte>(memory, file.Length));
        var options = (rows, shrink) switch
        {
            (false, _) => "[fail_on=truncated]",
            (true, 1) => "[fail_on=truncated,access=sequential]",
            (true, 2) => "[fail_on=truncated,access=sequential,shrink=2]",
            (true, 4) => "[fail_on=truncated,access=sequential,shrink=4]",
            (true, 8) => "[fail_on=truncated,access=sequential,shrink=8]",
            _ => throw new ArgumentOutOfRangeException(nameof(shrink), shrink, "it must be 1, 2, 4 or 8"),
        };
        var handle = Vips.FromBuffer((byte*)memory, (nuint)file.Length, options, 0);
        if (handle == 0)
        {
            NativeMemory.Free(memory);
            throw new UnreadableImageException(path, Vips.TakeError());
        }
        var image = new VipsImage(path, handle, memory);
        if ((long)image.Height * image.Width <= ImageDecoder.LargestImage)
            return image;
        var (height, width) = (image.Height, image.Width);
        image.Dispose();
        throw new UnreadableImageException(path, $"{width}x{height} pixels: more than {ImageDecoder.LargestImage}");
    }

    /// <summary>The image turned as its orientation mark says; dispose of it before this one.</summary>
    internal VipsImage Oriented() =>
        Vips.AutoRotate(Handle, out var turned, 0) == 0
            ? new(path, turned, null)
            : throw new UnreadableImageException(path, Vips.TakeError());

    /// <summary>All values of an 8-bit image, [H, W, bands].</summary>
    internal byte[] Bytes()
    {
        if (Vips.Format(Handle) != UnsignedByte)
            throw new UnreadableImageException(path, "not an image of 8 bits per value");
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
        Check();
        var pixels = Decode(out var length);
        try
        {
            target.Resize(channels, Height, Width);
            Convert(new ReadOnlySpan<byte>((void*)pixels, length), target, 0, target.PlaneSize);
        }
        finally
        {
            Vips.Free(pixels);
        }
    }

    /// <summary>Decodes some columns of all rows down to a last one, and hands on some of the rows at a time, in order.</summary>
    /// <param name="part">Rows and columns to decode.</param>
    /// <param name="rows">Told of pixels and of the row of the part that they begin with.</param>
    internal void Read(Part part, PixelRows rows)
    {
        Check();
        var region = Vips.NewRegion(Handle);
        if (region == 0)
            throw new UnreadableImageException(path, Vips.TakeError());
        try
        {
            var bottom = part.Top + part.Height;
            for (var top = part.Top; top < bottom; )
            {
                // Up to a border of the blocks that files are made of.
                var height = Math.Min((top / StripRows + 1) * StripRows, bottom) - top;
                var pixels = Vips.Fetch(region, part.Left, top, part.Width, height, out var length);
                if (pixels == 0)
                    throw new UnreadableImageException(path, Vips.TakeError());
                try
                {
                    rows(new ReadOnlySpan<byte>((void*)pixels, checked((int)length)), top - part.Top, height);
                }
                finally
                {
                    Vips.Free(pixels);
                }
                top += height;
            }
        }
        finally
        {
            Vips.Unref(region);
        }
    }

    private void Check()
    {
        if (Vips.Format(Handle) is not (UnsignedByte or UnsignedShort))
            throw new UnreadableImageException(path, "values of a kind other than 8 or 16 bits");
        if (Bands is < 1 or > 4)
            throw new UnreadableImageException(path, $"{Bands} channels");
    }

    /// <summary>Brings pixels as the file has them into one or three planes of 8 bits.</summary>
    /// <param name="pixels">Some rows.</param>
    /// <param name="target">Where they go.</param>
    /// <param name="start">Their first place in each plane.</param>
    /// <param name="count">How many they are.</param>
    internal void Convert(ReadOnlySpan<byte> pixels, Raster target, int start, int count)
    {
        var bands = Bands;
        if (Vips.Format(Handle) == UnsignedShort)
        {
            // The upper halves, on a little-endian machine the second bytes.
            var wide = MemoryMarshal.Cast<byte, ushort>(pixels);
            var narrow = new byte[wide.Length];
            for (var i = 0; i < narrow.Length; i++)
                narrow[i] = (byte)(wide[i] >> 8);
            pixels = narrow;
        }
        var first = target.Plane(0).Slice(start, count);
        if (target.Channels == 3 && bands == 3)
            Lanes.Split(pixels, first, target.Plane(1).Slice(start, count), target.Plane(2).Slice(start, count));
        else if (target.Channels == 3)
            Convert(pixels, bands, IsCmyk, first, target.Plane(1).Slice(start, count), target.Plane(2).Slice(start, count));
        else
            Convert(pixels, bands, IsCmyk, first, default, default);
    }

    /// <summary>The mark of the camera's orientation, 1 to 8; 1 where there is none.</summary>
    internal int Orientation => Vips.Orientation(Handle);

    private bool IsCmyk => Bands == 4 && Vips.Interpretation(Handle) == Cmyk;

    private nint Decode(out int length)
    {
        var pixels = Vips.WriteToMemory(Handle, out var bytes);
        if (pixels == 0)
            throw new UnreadableImageException(path, Vips.TakeError());
        length = checked((int)bytes);
        return pixels;
    }

    private static void Convert(ReadOnlySpan<byte> source, int bands, bool cmyk, Span<byte> first, Span<byte> second, Span<byte> third)
    {
        var color = !second.IsEmpty;
        for (int i = 0, j = 0; i < first.Length; i++, j += bands)
        {
            byte red,
                green,
                blue;
            if (bands < 3)
                red = green = blue = source[j];
            else
                (red, green, blue) = (source[j], source[j + 1], source[j + 2]);
            if (cmyk)
            {
                var rest = 255 - source[j + 3];
                (red, green, blue) = (Uncover(red, rest), Uncover(green, rest), Uncover(blue, rest));
            }
            if (color)
                (first[i], second[i], third[i]) = (red, green, blue);
            else
                first[i] = bands < 3 ? red : ColorOps.Luma(red, green, blue);
        }
    }

    // The light that an ink leaves of the light that black leaves; the division by 255 rounds as Pillow's does.
    private static byte Uncover(byte ink, int rest)
    {
        var product = ink * rest + 128;
        return (byte)Math.Clamp(rest - (((product >> 8) + product) >> 8), 0, 255);
    }

    public void Dispose()
    {
        if (handle == 0)
            return;
        Vips.Unref(handle);
        NativeMemory.Free(memory);
        handle = 0;
        memory = null;
    }
}
