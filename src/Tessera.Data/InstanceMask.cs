using System.Text;

namespace Tessera.Data;

/// <summary>
/// Which pixels of an image belong to an object, as COCO stores it: lengths of runs that go down the columns. It is kept as runs, or as the
/// polygons that it was drawn with, whose runs are made anew whenever they are asked for.
/// </summary>
/// <remarks>Values are those of COCO's mask API (pycocotools 2.0).</remarks>
public sealed class InstanceMask
{
    // Groups of five bits that a run of 32 bits and its sign need.
    private const int MostGroups = 7;
    private const char FirstDigit = '0';

    private readonly int[]? runs;
    private readonly int[][]? polygons;

    private InstanceMask(ImageSize size, int[]? runs, int[][]? polygons) => (Size, this.runs, this.polygons) = (size, runs, polygons);

    /// <summary>Height and width of the image.</summary>
    public ImageSize Size { get; }

    /// <summary>Number of pixels that belong to the object.</summary>
    public long Area => Covered(Runs());

    /// <summary>The smallest box of whole pixels around the object; at (0, 0) and of no size where there is none.</summary>
    public ObjectBox Bounds
    {
        get
        {
            var (left, top, right, bottom) = Around(Runs());
            return new(left, top, right, bottom);
        }
    }

    /// <summary>A mask of run lengths: zeros, ones, zeros, ..., down the columns. The first may be 0.</summary>
    /// <param name="size">Of the image.</param>
    /// <param name="counts">The lengths.</param>
    /// <exception cref="DataException">A length is negative, or they do not add up to the pixels of the image.</exception>
    public static InstanceMask FromCounts(ImageSize size, IReadOnlyList<int> counts)
    {
        var (pixels, sum) = (Pixels(size), 0L);
        foreach (var count in counts)
        {
            if (count < 0)
                throw new DataException($"run lengths of a mask hold {count}: they must be at least 0");
            sum += count;
        }
        if (sum != pixels)
            throw new DataException($"run lengths of a mask add up to {sum}, and must add up to the {pixels} pixels of {size}");
        return new(size, MaskRuns.Joined([.. counts]), null);
    }

    /// <summary>A mask of run lengths in COCO's compressed form, five bits and a mark of more in each sign.</summary>
    /// <param name="size">Of the image.</param>
    /// <param name="text">The compressed lengths.</param>
    /// <exception cref="DataException">The text is none of this form, or its lengths do not fit the image.</exception>
    public static InstanceMask FromText(ImageSize size, string text)
    {
        var counts = new List<int>();
        for (var place = 0; place < text.Length; )
        {
            var (value, shift, more) = (0L, 0, true);
            for (; more; shift += 5)
            {
                if (place == text.Length)
                    throw new DataException("compressed run lengths of a mask end within a number");
                var digit = text[place++] - FirstDigit;
                if (digit is < 0 or > 63 || shift >= 5 * MostGroups)
                    throw new DataException($"compressed run lengths of a mask are no such text at character {place}");
                value |= (long)(digit & 31) << shift;
                more = (digit & 32) != 0;
                if (!more && (digit & 16) != 0)
                    value |= -1L << (shift + 5);
            }
            if (counts.Count > 2)
                value += counts[^2];
            if (value is < 0 or > int.MaxValue)
                throw new DataException($"compressed run lengths of a mask hold {value}: it must be from 0 to {int.MaxValue}");
            counts.Add((int)value);
        }
        return FromCounts(size, counts);
    }

    /// <summary>A mask drawn with polygons: what is in any of them belongs to the object.</summary>
    /// <param name="size">Of the image.</param>
    /// <param name="polygons">Each x1, y1, x2, y2, ... in pixels, of at least three points.</param>
    /// <exception cref="DataException">Too few or an odd number of coordinates, or one that is no number or far from any image.</exception>
    public static InstanceMask FromPolygons(ImageSize size, IReadOnlyList<IReadOnlyList<double>> polygons)
    {
        _ = Pixels(size);
        return new(size, null, [.. polygons.Select(MaskPolygon.Points)]);
    }

    /// <summary>A mask of polygons whose points are on the grid that drawing rounds them to.</summary>
    /// <param name="size">Of the image.</param>
    /// <param name="polygons">By <see cref="MaskPolygon.Points"/>.</param>
    internal static InstanceMask FromPoints(ImageSize size, int[][] polygons)
    {
        _ = Pixels(size);
        return new(size, null, polygons);
    }

    /// <summary>A mask of a bitmap.</summary>
    /// <param name="size">Of the image.</param>
    /// <param name="bitmap">Row by row, [H, W]; any value but 0 belongs to the object.</param>
    /// <exception cref="DataException">The bitmap has another number of pixels.</exception>
    public static InstanceMask FromBitmap(ImageSize size, ReadOnlySpan<byte> bitmap)
    {
        var pixels = Pixels(size);
        if (bitmap.Length != pixels)
            throw new DataException($"a bitmap of {bitmap.Length} pixels is no mask of {size}");
        var found = new List<int>();
        var (isInside, start) = (false, 0);
        for (var x = 0; x < size.Width; x++)
        for (var y = 0; y < size.Height; y++)
        {
            if (bitmap[y * size.Width + x] != 0 == isInside)
                continue;
            var place = x * size.Height + y;
            found.Add(place - start);
            (isInside, start) = (!isInside, place);
        }
        found.Add(pixels - start);
        return new(size, [.. found], null);
    }

    /// <summary>The pixels of any of several masks of one size.</summary>
    /// <param name="masks">At least one.</param>
    /// <exception cref="DataException">There is no mask, or their sizes differ.</exception>
    public static InstanceMask Union(IReadOnlyList<InstanceMask> masks)
    {
        if (masks.Count == 0)
            throw new DataException("a union needs at least one mask");
        foreach (var mask in masks)
            masks[0].CheckSize(mask);
        var all = masks.Select(mask => mask.Runs()).Aggregate(MaskRuns.Union);
        return new(masks[0].Size, all, null);
    }

    /// <summary>
    /// The same mask held as run lengths. Whoever compares a mask with many others asks for this first: those of polygons are made anew for
    /// every question otherwise.
    /// </summary>
    public InstanceMask AsRuns() => runs is not null ? this : new(Size, Runs(), null);

    /// <summary>Number of pixels that two masks have in common.</summary>
    /// <param name="other">A mask of the same size.</param>
    /// <exception cref="DataException">The sizes differ.</exception>
    public long Intersection(InstanceMask other)
    {
        CheckSize(other);
        return MaskRuns.Intersection(Runs(), other.Runs());
    }

    /// <summary>Pixels in common as a share of those of either mask.</summary>
    /// <param name="other">A mask of the same size.</param>
    /// <param name="isCrowd">Whether the other mask is around a crowd: the share is of this mask's own pixels then.</param>
    /// <exception cref="DataException">The sizes differ.</exception>
    public double Iou(InstanceMask other, bool isCrowd = false)
    {
        CheckSize(other);
        var (own, theirs) = (Runs(), other.Runs());
        var common = MaskRuns.Intersection(own, theirs);
        if (common == 0)
            return 0;
        var area = Covered(own);
        return common / (double)(isCrowd ? area : area + Covered(theirs) - common);
    }

    /// <summary>Run lengths: zeros, ones, zeros, ..., down the columns. The first may be 0.</summary>
    public int[] ToCounts() => [.. Runs()];

    /// <summary>Run lengths in COCO's compressed form.</summary>
    public string ToText()
    {
        var counts = Runs();
        var text = new StringBuilder();
        for (var i = 0; i < counts.Length; i++)
        {
            var value = i > 2 ? counts[i] - counts[i - 2] : counts[i];
            bool more;
            do
            {
                var digit = value & 31;
                value >>= 5;
                more = (digit & 16) != 0 ? value != -1 : value != 0;
                text.Append((char)(FirstDigit + (more ? digit | 32 : digit)));
            } while (more);
        }
        return text.ToString();
    }

    /// <summary>1 for each pixel that belongs to the object, else 0: row by row, [H, W].</summary>
    public byte[] ToBitmap() => Unpacked(Runs(), (0, 0, Size.Width, Size.Height));

    /// <summary>
    /// The mask of a view of the image, by the nearest pixel, as label maps follow it: between two pixels that are as near, the lower or
    /// right one.
    /// </summary>
    /// <param name="image">Where the prepared image comes from.</param>
    /// <param name="size">Its size.</param>
    /// <param name="target">Takes 1 for each pixel of that image that belongs to the object, else 0: [H, W].</param>
    public void Follow(PreparedImage image, ImageSize size, Span<byte> target) => Follow(ViewPlaces.Of(image, size, Size), target);

    /// <inheritdoc cref="Follow(PreparedImage, ImageSize, Span{byte})"/>
    /// <param name="places">Where the pixels of the prepared image come from, for all masks of an image at once.</param>
    /// <param name="target">Takes 1 for each pixel of that image that belongs to the object, else 0: [H, W].</param>
    internal void Follow(ViewPlaces places, Span<byte> target)
    {
        target.Clear();
        var counts = Runs();
        // Only what is around the object is unpacked, and looked at.
        var (left, top, right, bottom) = Around(counts);
        var seen = Unpacked(counts, (left, top, right, bottom));
        var (rows, columns, width) = (places.Rows, places.Columns, right - left);
        for (var y = 0; y < rows.Length; y++)
        {
            if (rows[y] < top || rows[y] >= bottom)
                continue;
            var source = seen.AsSpan((rows[y] - top) * width, width);
            var row = target.Slice(y * columns.Length, columns.Length);
            for (var x = 0; x < row.Length; x++)
                if (columns[x] >= left && columns[x] < right)
                    row[x] = source[columns[x] - left];
        }
    }

    private int[] Runs()
    {
        if (runs is not null)
            return runs;
        return polygons!.Length == 0 ? [Pixels(Size)] : polygons.Select(points => MaskPolygon.Runs(points, Size)).Aggregate(MaskRuns.Union);
    }

    private void CheckSize(InstanceMask other)
    {
        if (other.Size != Size)
            throw new DataException($"masks of {Size} and {other.Size} cannot be compared: they must be of one image");
    }

    private static int Pixels(ImageSize size) =>
        size is { Height: > 0, Width: > 0 } && (long)size.Height * size.Width <= Array.MaxLength
            ? size.Height * size.Width
            : throw new DataException($"a mask of {size} cannot be: both sides must be at least 1, with at most {Array.MaxLength} pixels");

    private static long Covered(int[] counts)
    {
        var area = 0L;
        for (var i = 1; i < counts.Length; i += 2)
            area += counts[i];
        return area;
    }

    // The part of the bitmap in a window that holds all of the object.
    private byte[] Unpacked(int[] counts, (int Left, int Top, int Right, int Bottom) window)
    {
        var width = window.Right - window.Left;
        var bitmap = new byte[width * (window.Bottom - window.Top)];
        var place = 0;
        for (var i = 0; i < counts.Length; place += counts[i++])
            if (i % 2 == 1)
                for (var k = place; k < place + counts[i]; k++)
                    bitmap[(k % Size.Height - window.Top) * width + k / Size.Height - window.Left] = 1;
        return bitmap;
    }

    private (int Left, int Top, int Right, int Bottom) Around(int[] counts)
    {
        var (left, top, right, bottom) = (Size.Width, Size.Height, 0, 0);
        var place = 0;
        for (var i = 0; i < counts.Length; place += counts[i++])
        {
            if (i % 2 == 0 || counts[i] == 0)
                continue;
            var last = place + counts[i] - 1;
            var (first, end) = (place / Size.Height, last / Size.Height);
            (left, right) = (Math.Min(left, first), Math.Max(right, end + 1));
            // A run over the end of a column reaches both edges.
            top = Math.Min(top, first < end ? 0 : place % Size.Height);
            bottom = Math.Max(bottom, first < end ? Size.Height : last % Size.Height + 1);
        }
        return right == 0 ? default : (left, top, right, bottom);
    }
}
