namespace Tessera.Data.Imaging;

/// <summary>An image in a file: its size is known, and only the parts that are asked for are decoded.</summary>
/// <remarks>
/// Rows below the part that is wanted are not decoded in a JPEG that has its end: damage there is not found, and touches no pixel of the
/// part. In all other files they are, so that a file that was cut off is found with any part.
/// </remarks>
public sealed class ImageFile : IDisposable
{
    private readonly string path;
    private readonly byte[] file;
    private readonly VipsImage image;

    private readonly Opening opening;

    private ImageFile(string path, byte[] file, Opening opening) =>
        (this.path, this.file, this.opening, image) = (path, file, opening, ImageDecoder.Load(path, file, opening));

    /// <summary>Opens a file and reads its header.</summary>
    /// <param name="path">The file.</param>
    /// <param name="orient">Whether a camera's orientation mark is followed; that of a TIFF always is.</param>
    /// <param name="maxPixels">Most pixels that it may have.</param>
    /// <exception cref="UnreadableImageException">Not an image of the formats of <see cref="ImageDecoder"/>.</exception>
    public static ImageFile Open(string path, bool orient = false, long maxPixels = ImageDecoder.LargestImage) =>
        new(path, ImageDecoder.ReadFile(path), new(Orient: orient, MaxPixels: maxPixels));

    /// <summary>Reads the header of a file that is in memory.</summary>
    /// <param name="path">Names the image in errors.</param>
    /// <param name="file">Its bytes, which have to stay as they are.</param>
    /// <param name="orient">Whether a camera's orientation mark is followed; that of a TIFF always is.</param>
    /// <param name="maxPixels">Most pixels that it may have.</param>
    /// <exception cref="UnreadableImageException">Not an image of the formats of <see cref="ImageDecoder"/>.</exception>
    public static ImageFile Open(string path, byte[] file, bool orient = false, long maxPixels = ImageDecoder.LargestImage) =>
        new(path, file, new(Orient: orient, MaxPixels: maxPixels));

    /// <summary>Rows.</summary>
    public int Height => image.Height;

    /// <summary>Columns.</summary>
    public int Width => image.Width;

    /// <summary>Values of a pixel: 1 for grey, 3 for colours, and one more where there is opacity or black ink.</summary>
    public int Channels => image.Bands;

    /// <summary>The mark of the camera's orientation, 1 to 8, which decoding leaves; 1 where there is none.</summary>
    public int Orientation => image.Orientation;

    /// <summary>Decodes all of it some rows at a time, for its errors alone.</summary>
    /// <exception cref="UnreadableImageException">A damaged file.</exception>
    public void Verify() => image.Read(new(0, 0, Height, Width), static (_, _, _) => { });

    // Bytes at the end of a file among which the mark of a JPEG's end is looked for: some programs write a little behind it.
    private const int Tail = 1024;

    private bool IsJpeg => file is [0xFF, 0xD8, ..];

    private bool HasEnd => IsJpeg && file.AsSpan(Math.Max(2, file.Length - Tail)).IndexOf([(byte)0xFF, (byte)0xD9]) >= 0;

    /// <summary>Decodes all of it.</summary>
    /// <param name="target">Takes on its size.</param>
    /// <param name="channels">1 or 3.</param>
    /// <exception cref="UnreadableImageException">A damaged file.</exception>
    public void Decode(Raster target, int channels = 3)
    {
        // Rows come in order: threads that share a file take turns.
        lock (image)
            new Strips(image, new(0, 0, Height, Width), channels).CopyTo(target);
    }

    /// <summary>Decodes a part and resizes it.</summary>
    /// <remarks>
    /// Without shrinking the result is that of cutting the part out of the decoded image and resizing it. With it, a JPEG whose part is at
    /// least 2, 4 or 8 times larger than the result in both directions is decoded to that part of its size, as its blocks allow without
    /// decoding them whole, and resized from there: close to the other result, and faster.
    /// </remarks>
    /// <param name="canvas">Takes on the result.</param>
    /// <param name="part">Inside of the image.</param>
    /// <param name="height">New height, at least 1.</param>
    /// <param name="width">New width, at least 1.</param>
    /// <param name="interpolation">Filter; not random. That of nearest pixels never shrinks: it shows single pixels.</param>
    /// <param name="shrink">Whether a JPEG may be shrunk as it is decoded.</param>
    /// <param name="channels">1 or 3.</param>
    /// <exception cref="UnreadableImageException">A damaged file.</exception>
    public void Resize(Canvas canvas, Part part, int height, int width, Interpolation interpolation, bool shrink = false, int channels = 3)
    {
        if (
            part.Top < 0
            || part.Left < 0
            || part.Height < 1
            || part.Width < 1
            || part.Top > Height - part.Height
            || part.Left > Width - part.Width
        )
            throw new ArgumentOutOfRangeException(nameof(part), part, $"not inside of an image of {Height}x{Width}");
        // A JPEG without its end is decoded whole: a smaller one might not need what is missing.
        var factor = shrink && HasEnd && interpolation != Interpolation.Nearest ? Factor(part, height, width) : 1;
        if (factor == 1)
        {
            var whole = new Box(0, 0, part.Width, part.Height);
            lock (image)
            {
                Resampling.Resize(canvas, new Strips(image, part, channels), height, width, interpolation, whole);
                ReadRest(image, part.Top + part.Height);
            }
            return;
        }
        using var small = ImageDecoder.Load(path, file, opening with { Shrink = factor });
        // The part may begin and end between the pixels of the smaller image; pixels that it touches are read.
        var scale = (double)factor;
        var box = new Box(
            part.Left / scale,
            part.Top / scale,
            Math.Min((part.Left + part.Width) / scale, small.Width),
            Math.Min((part.Top + part.Height) / scale, small.Height)
        );
        var (top, left) = ((int)box.Top, (int)box.Left);
        var touched = new Part(top, left, (int)Math.Ceiling(box.Bottom) - top, (int)Math.Ceiling(box.Right) - left);
        Resampling.Resize(
            canvas,
            new Strips(small, touched, channels),
            height,
            width,
            interpolation,
            new(box.Left - left, box.Top - top, box.Right - left, box.Bottom - top)
        );
        ReadRest(small, touched.Top + touched.Height);
    }

    /// <summary>Decodes the rows from one on, for their errors, unless the file is known to have its end.</summary>
    private void ReadRest(VipsImage decoded, int row)
    {
        if (!HasEnd && row < decoded.Height)
            decoded.Read(new(row, 0, decoded.Height - row, decoded.Width), static (_, _, _) => { });
    }

    /// <summary>How many times smaller a JPEG of which a part is wanted in a size may be decoded: 1, 2, 4 or 8.</summary>
    internal static int Factor(Part part, int height, int width)
    {
        var factor = 1;
        while (factor < 8 && part.Height >= 2L * factor * height && part.Width >= 2L * factor * width)
            factor *= 2;
        return factor;
    }

    /// <inheritdoc/>
    public void Dispose() => image.Dispose();
}
