namespace Tessera.Data.Imaging;

/// <summary>An 8-bit image, plane after plane: [C, H, W]. Its memory grows with need and is used again.</summary>
public sealed class Raster
{
    private byte[] memory = [];

    /// <summary>An image of no size.</summary>
    public Raster() { }

    /// <summary>A black image.</summary>
    public Raster(int channels, int height, int width) => Resize(channels, height, width);

    /// <summary>Number of planes.</summary>
    public int Channels { get; private set; }

    /// <summary>Rows.</summary>
    public int Height { get; private set; }

    /// <summary>Columns.</summary>
    public int Width { get; private set; }

    /// <summary>Pixels of one plane.</summary>
    public int PlaneSize => Height * Width;

    /// <summary>All values, [C, H, W].</summary>
    public Span<byte> Values => memory.AsSpan(0, Channels * PlaneSize);

    /// <summary>One channel, [H, W].</summary>
    public Span<byte> Plane(int channel) => memory.AsSpan(channel * PlaneSize, PlaneSize);

    /// <summary>One row of a channel, [W].</summary>
    public Span<byte> Row(int channel, int y) => memory.AsSpan(channel * PlaneSize + y * Width, Width);

    /// <summary>Takes on another size; the values are undefined afterwards.</summary>
    public void Resize(int channels, int height, int width)
    {
        var needed = checked(channels * height * width);
        if (memory.Length < needed)
            memory = GC.AllocateUninitializedArray<byte>(needed);
        (Channels, Height, Width) = (channels, height, width);
    }

    /// <summary>Becomes a copy of another image.</summary>
    public void CopyFrom(Raster other)
    {
        Resize(other.Channels, other.Height, other.Width);
        other.Values.CopyTo(Values);
    }

    /// <summary>An image with its own copy of pixels that lie pixel by pixel, [H, W, C].</summary>
    public static Raster FromInterleaved(ReadOnlySpan<byte> pixels, int channels, int height, int width)
    {
        var result = new Raster(channels, height, width);
        result.SetInterleaved(pixels);
        return result;
    }

    /// <summary>Takes over pixels that lie pixel by pixel, [H, W, C], of the size that the image has.</summary>
    public void SetInterleaved(ReadOnlySpan<byte> pixels)
    {
        if (Channels == 1)
        {
            pixels.CopyTo(Values);
            return;
        }
        for (var c = 0; c < Channels; c++)
        {
            var plane = Plane(c);
            for (int i = 0, j = c; i < plane.Length; i++, j += Channels)
                plane[i] = pixels[j];
        }
    }

    /// <summary>The values pixel by pixel, [H, W, C].</summary>
    public byte[] ToInterleaved()
    {
        var result = new byte[Channels * PlaneSize];
        for (var c = 0; c < Channels; c++)
        {
            var plane = Plane(c);
            for (int i = 0, j = c; i < plane.Length; i++, j += Channels)
                result[j] = plane[i];
        }
        return result;
    }
}

/// <summary>An image in work and a second one to write to, by which a chain of image operations allocates nothing.</summary>
public sealed class Canvas
{
    /// <summary>The image as it is now.</summary>
    public Raster Image { get; private set; } = new();

    /// <summary>Where an operation that cannot work in place writes its result.</summary>
    public Raster Scratch { get; private set; } = new();

    /// <summary>Some rows of an image that is on its way in.</summary>
    internal Raster Strip { get; } = new();

    /// <summary>
    /// Which part of the original the image shows: cuts, resizes and flips keep account of it, geometric operations of
    /// augmentation policies (rotation, shear) do not.
    /// </summary>
    public ImageView View => Sight.View;

    /// <summary>Which part of the original is left, not mirrored: a part that was cut off does not come back when its place does.</summary>
    public ImageView Visible => Sight.Visible;

    /// <summary>Both, and where the label map is seen.</summary>
    internal Sight Sight { get; private set; } = Sight.Full;

    private Func<LabelMap>? readLabels;

    /// <summary>
    /// The label map of the original, for steps that look at it before they decide: read when one first asks; null where there is none.
    /// Steps that only move pixels need none: the map follows <see cref="View"/>.
    /// </summary>
    /// <exception cref="DataException">The map cannot be read, or is not as large as the image.</exception>
    public LabelMap? Labels => ReadLabels ??= readLabels?.Invoke();

    /// <summary>The label map of the original where a step has asked for it.</summary>
    internal LabelMap? ReadLabels { get; private set; }

    private Func<(IReadOnlyList<ImageObject> Objects, ImageSize Original)>? objects;

    /// <summary>
    /// The boxes of the objects that count, neither crowds nor ignored, as far as they are seen, in pixels of the image as it is now; null
    /// where samples have no boxes. Steps that only move pixels need none: boxes follow <see cref="View"/>.
    /// </summary>
    public IReadOnlyList<ObjectBox>? Boxes
    {
        get
        {
            if (objects?.Invoke() is not { } found)
                return null;
            var (image, size) = (Sight.Targets(found.Original), new ImageSize(Image.Height, Image.Width));
            return [.. found.Objects.Where(one => one.IsTrained).Select(one => one.Box.Follow(image, size)).Where(box => box.Area > 0)];
        }
    }

    /// <summary>Says that another image comes, of which all is seen.</summary>
    public void Begin() => Begin(null);

    /// <summary>Says that another image comes, of which all is seen.</summary>
    /// <param name="labels">Reads its label map; null where it has none.</param>
    /// <param name="objects">Gives its objects and its size once it is open; null where samples have no boxes.</param>
    internal void Begin(Func<LabelMap>? labels, Func<(IReadOnlyList<ImageObject> Objects, ImageSize Original)>? objects = null) =>
        (Sight, readLabels, ReadLabels, this.objects) = (Sight.Full, labels, null, objects);

    /// <summary>Says which part of the original the image shows now.</summary>
    public void Show(ImageView view) => Sight = Sight.Show(view);

    /// <summary>Says that the label map is shifted further than the image, in heights and widths of the image.</summary>
    internal void ShiftLabels(double down, double right) => Sight = Sight.ShiftLabels(down, right);

    /// <summary>Counts the classes in a window of the image, which may reach over its edges.</summary>
    /// <param name="top">First row.</param>
    /// <param name="left">First column.</param>
    /// <param name="height">Of the window.</param>
    /// <param name="width">Of the window.</param>
    /// <param name="counts">
    /// Takes the pixels of each class, 256 of them, ignored ones at <see cref="LabelMap.Ignored"/>; pixels outside of the image count
    /// nowhere.
    /// </param>
    /// <exception cref="DataException">The image has no label map, or it cannot be read.</exception>
    public void CountLabels(int top, int left, int height, int width, Span<int> counts)
    {
        var map = Labels ?? throw new DataException("the classes of a part of an image were asked for, and the image has no label map");
        var window = Sight.Show(View.Cut(top, left, height, width, Image.Height, Image.Width));
        map.Count(window.Targets(map.Size), new(height, width), counts);
    }

    /// <summary>Value per channel of pixels that an operation finds outside of the image: the data set's mean.</summary>
    public IReadOnlyList<byte> Fill { get; init; } = [];

    /// <summary>The fill of a channel: a single one serves all; 128 where none is given.</summary>
    internal byte FillOf(int channel) =>
        Fill is [var only] ? only
        : channel < Fill.Count ? Fill[channel]
        : (byte)128;

    /// <summary>Makes <see cref="Scratch"/> the image.</summary>
    public void Swap() => (Image, Scratch) = (Scratch, Image);
}
