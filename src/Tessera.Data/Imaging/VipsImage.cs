using System.Runtime.InteropServices;
using Tessera.Data.Imaging.Codecs;

namespace Tessera.Data.Imaging;

/// <summary>Rows of a part of an image, pixel after pixel.</summary>
internal delegate void PixelRows(ReadOnlySpan<byte> pixels, int row, int height);

/// <summary>How an image is opened.</summary>
/// <param name="Shrink">JPEG: 2, 4 or 8 decodes to that part of the size.</param>
/// <param name="Orient">Whether a camera's orientation mark is followed; that of a TIFF always is.</param>
/// <param name="MaxPixels">Most pixels that it may have.</param>
internal sealed record Opening(int Shrink = 1, bool Orient = false, long MaxPixels = ImageDecoder.LargestImage);

/// <summary>An image that libvips has opened; decoded when its pixels are asked for, from top to bottom.</summary>
internal sealed unsafe class VipsImage : IDisposable
{
    private const int UnsignedByte = 0;
    private const int UnsignedShort = 2;
    private const int Cmyk = 15;

    // Damage that a decoder knows of is an error; remarks on what does no harm are none.
    private const int FailOnError = 2;

    // Whole rows of blocks of every kind of JPEG, few enough to stay in the cache.
    private const int StripRows = 16;

    private readonly string path;
    private readonly ImageFormat format;
    private readonly Opening opening;

    // The file's bytes in native memory: libvips reads them again and again until the image goes.
    private byte* memory;
    private readonly int length;

    // Pixels of the formats that are decoded here.
    private PixelBlock? block;
    private nint handle;

    // What was known of messages before the image was opened.
    private long mark;

    private VipsImage(string path, ImageFormat format, Opening opening, ReadOnlySpan<byte> file)
    {
        (this.path, this.format, this.opening) = (path, format, opening);
        length = file.Length;
        memory = (byte*)NativeMemory.Alloc((nuint)length);
        file.CopyTo(new Span<byte>(memory, length));
        mark = VipsRemarks.Discarded;
        using (VipsRemarks.Shared())
            handle = Open(format, memory, length, opening);
    }

    private VipsImage(string path, ImageFormat format, Opening opening, PixelBlock block)
    {
        (this.path, this.format, this.opening, this.block) = (path, format, opening, block);
        using var shared = VipsRemarks.Shared();
        handle = Vips.FromMemory(block.Memory, (nuint)block.Length, block.Width, block.Height, block.Bands, UnsignedByte);
    }

    // libvips does not look whether there is an image.
    private nint Handle => handle != 0 ? handle : throw new ObjectDisposedException(path);

    internal int Height => Vips.Height(Handle);

    internal int Width => Vips.Width(Handle);

    internal int Bands => Vips.Bands(Handle);

    /// <summary>Whether its values have 16 bits.</summary>
    internal bool IsWide => Vips.Format(Handle) == UnsignedShort;

    /// <summary>Opens a file's bytes. Of the formats that libvips decodes, only the header is read.</summary>
    /// <param name="path">Names the image in errors.</param>
    /// <param name="format">Of the file.</param>
    /// <param name="file">The bytes, copied.</param>
    /// <param name="opening">How.</param>
    internal static VipsImage Load(string path, ImageFormat format, ReadOnlySpan<byte> file, Opening opening)
    {
        if (opening.Shrink is not (1 or 2 or 4 or 8))
            throw new ArgumentOutOfRangeException(nameof(opening), opening.Shrink, "shrinking must be by 1, 2, 4 or 8");
        Vips.Start();
        switch (format)
        {
            case ImageFormat.Gif:
                return new(path, format, opening, Gif.Read(path, file, opening.MaxPixels));
            case ImageFormat.Bmp:
                return new(path, format, opening, Bmp.Read(path, file, opening.MaxPixels));
            case ImageFormat.Pnm:
                return new(path, format, opening, Pnm.Read(path, file, opening.MaxPixels));
            default:
                break;
        }
        if (format == ImageFormat.Tiff)
        {
            if (TiffTags.Obstacle(file) is { } obstacle)
                throw new UnreadableImageException(path, obstacle);
            opening = opening with { Orient = true };
        }
        var whole = format == ImageFormat.Jpeg ? JpegSegments.WithoutStrays(file) : null;
        var image = new VipsImage(path, format, opening, whole ?? file);
        try
        {
            if (image.handle == 0)
                throw image.Failure();
            PixelBlock.CheckSize(path, image.Height, image.Width, opening.MaxPixels);
            return image;
        }
        catch
        {
            image.Dispose();
            throw;
        }
    }

    private static nint Open(ImageFormat format, byte* memory, int length, Opening opening)
    {
        var image = Open(format, memory, length, sequential: true, opening.Shrink);
        // By default, pixels come in their order; 0 and 1 are upright.
        if (image == 0 || !opening.Orient || Vips.Orientation(image) <= 1)
            return image;
        Vips.Unref(image);
        image = Open(format, memory, length, sequential: false, opening.Shrink);
        if (image == 0)
            return 0;
        var failed = Vips.AutoRotate(image, out var turned, 0) != 0;
        Vips.Unref(image);
        return failed ? 0 : turned;
    }

    private static nint Open(ImageFormat format, byte* memory, int length, bool sequential, int shrink)
    {
        var (size, access) = ((nuint)length, sequential ? 1 : 0);
        nint image;
        var failed = format switch
        {
            ImageFormat.Jpeg => Vips.LoadJpeg(memory, size, out image, "fail_on", FailOnError, "access", access, "shrink", shrink, 0),
            ImageFormat.Png => Vips.LoadPng(memory, size, out image, "fail_on", FailOnError, "access", access, 0),
            ImageFormat.WebP => Vips.LoadWebP(memory, size, out image, "fail_on", FailOnError, "access", access, 0),
            ImageFormat.Tiff => Vips.LoadTiff(memory, size, out image, "fail_on", FailOnError, "access", access, 0),
            _ => throw new ArgumentOutOfRangeException(nameof(format), format, "not decoded by libvips"),
        };
        return failed == 0 ? image : 0;
    }

    /// <summary>All values of an 8-bit image, [H, W, bands].</summary>
    internal byte[] Bytes()
    {
        if (Vips.Format(Handle) != UnsignedByte)
            throw new UnreadableImageException(path, "not an image of 8 bits per value");
        var (row, result) = (Width * Bands, new byte[checked(Height * Width * Bands)]);
        Read(new(0, 0, Height, Width), (pixels, top, _) => pixels.CopyTo(result.AsSpan(top * row)));
        return result;
    }

    /// <summary>Decodes some columns of all rows down to a last one, and hands on some of the rows at a time, in order.</summary>
    /// <param name="part">Rows and columns to decode.</param>
    /// <param name="rows">Told of pixels and of the row of the part that they begin with.</param>
    internal void Read(Part part, PixelRows rows)
    {
        Check();
        var bottom = part.Top + part.Height;
        nint region;
        using (VipsRemarks.Shared())
            region = Vips.NewRegion(Handle);
        try
        {
            for (var top = part.Top; top < bottom; )
            {
                // Up to a border of the blocks that files are made of.
                var height = Math.Min((top / StripRows + 1) * StripRows, bottom) - top;
                nint pixels;
                nuint bytes = 0;
                using (VipsRemarks.Shared())
                    pixels = region == 0 ? 0 : Vips.Fetch(region, part.Left, top, part.Width, height, out bytes);
                if (pixels == 0)
                    throw Failure();
                try
                {
                    rows(new ReadOnlySpan<byte>((void*)pixels, checked((int)bytes)), top - part.Top, height);
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
            using (VipsRemarks.Shared())
                if (region != 0)
                    Vips.Unref(region);
        }
        if (block is null && VipsRemarks.CameSince(mark) && Damage(bottom) is { } damage)
            throw new UnreadableImageException(path, damage);
    }

    /// <summary>What the decoder says of the file, down to a row, beside errors: nothing in most cases.</summary>
    internal IReadOnlyList<string> Remarks(int bottom)
    {
        if (block is not null)
            return [];
        using var alone = VipsRemarks.Alone();
        Decode(memory, length, bottom);
        return alone.Take();
    }

    // Decodes the file again up to where it fails, while nothing else is decoded.
    private UnreadableImageException Failure()
    {
        using var alone = VipsRemarks.Alone();
        Decode(memory, length, int.MaxValue);
        var text = VipsRemarks.Text(alone.Take());
        return new(path, $"cannot be decoded as {Name}: {(text.Length > 0 ? text : "damaged, or of a kind that is not read")}");
    }

    /// <summary>Whether messages that came while the rows above one were decoded were about this file, and about damage.</summary>
    private string? Damage(int bottom)
    {
        using var alone = VipsRemarks.Alone();
        if (format == ImageFormat.Jpeg)
        {
            var bare = JpegSegments.Bare(new(memory, length));
            fixed (byte* place = bare)
                Decode(place, bare.Length, bottom);
        }
        else
            Decode(memory, length, bottom);
        mark = VipsRemarks.Discarded;
        string[] serious = [.. alone.Take().Where(line => !IsHarmless(line))];
        return serious.Length == 0 ? null : $"damaged {Name}: {VipsRemarks.Text(serious)}";
    }

    // Bytes that are left over when all pixels are there. In front of another mark they belong to pixels that were skipped.
    private static bool IsHarmless(string line) => line.EndsWith("extraneous bytes before marker 0xd9", StringComparison.Ordinal);

    private void Decode(byte* file, int size, int bottom)
    {
        var image = Open(format, file, size, opening);
        if (image == 0)
            return;
        var region = Vips.NewRegion(image);
        var (width, rows) = (Vips.Width(image), Math.Min(bottom, Vips.Height(image)));
        for (var top = 0; top < rows && region != 0; )
        {
            var height = Math.Min(StripRows, rows - top);
            var pixels = Vips.Fetch(region, 0, top, width, height, out _);
            Vips.Free(pixels);
            top = pixels == 0 ? rows : top + height;
        }
        if (region != 0)
            Vips.Unref(region);
        Vips.Unref(image);
    }

    private string Name => format is ImageFormat.WebP ? "WebP" : format.ToString().ToUpperInvariant();

    private void Check()
    {
        if (Vips.Format(Handle) is not (UnsignedByte or UnsignedShort))
            throw new UnreadableImageException(path, "values of a kind other than 8 or 16 bits");
        if (Bands is < 1 or > 4)
            throw new UnreadableImageException(path, $"{Bands} channels: there must be 1 to 4");
    }

    /// <summary>Brings pixels as the file has them into one or three planes of 8 bits.</summary>
    /// <param name="pixels">Some rows.</param>
    /// <param name="target">Where they go.</param>
    /// <param name="start">Their first place in each plane.</param>
    /// <param name="count">How many they are.</param>
    internal void Convert(ReadOnlySpan<byte> pixels, Raster target, int start, int count)
    {
        var bands = Bands;
        if (IsWide)
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
        if (handle != 0)
            using (VipsRemarks.Shared())
                Vips.Unref(handle);
        NativeMemory.Free(memory);
        block?.Dispose();
        (handle, block) = (0, null);
        memory = null;
    }
}
