using System.Globalization;
using System.Runtime.InteropServices;
using Tessera.Data.Imaging;
using Tessera.Data.Imaging.Codecs;

namespace Tessera.Data.Formats;

/// <summary>What a file of a label map holds per pixel.</summary>
public enum LabelFileKind
{
    /// <summary>A number.</summary>
    Gray,

    /// <summary>An index into the file's palette.</summary>
    Palette,

    /// <summary>A colour.</summary>
    Color,
}

/// <summary>What a file of a label map says of itself, without its pixels.</summary>
/// <param name="Kind">What a pixel holds.</param>
/// <param name="Bits">Bits per value.</param>
/// <param name="Size">Of the map.</param>
/// <param name="Palette">Colour of each index; null where pixels are no indices.</param>
public sealed record LabelFileHead(LabelFileKind Kind, int Bits, ImageSize Size, IReadOnlyList<(byte R, byte G, byte B)>? Palette = null);

/// <summary>All that a file of a label map holds, before anything is made of it.</summary>
/// <param name="Head">What it says of itself.</param>
/// <param name="Counts">Pixels of each value that occurs, ascending: a number, an index, or a colour as 0xRRGGBB.</param>
public sealed record RawLabels(LabelFileHead Head, IReadOnlyDictionary<int, long> Counts);

/// <summary>
/// Files of label maps: PNG of any kind, TIFF with 8 or 16 bits per value, BMP, GIF, and MATLAB files with a matrix <c>S</c> or
/// <c>LabelMap</c>. They give the numbers that are stored and not colours that a decoder makes of them; alpha is left out.
/// </summary>
public static class LabelFile
{
    private const int MostListed = 3,
        MostCounted = 4096;

    private static ReadOnlySpan<byte> MatlabStart => "MATLAB "u8;

    /// <summary>Names of the matrix in MATLAB files.</summary>
    private static readonly string[] matrices = ["S", "LabelMap"];

    /// <summary>Size, kind and palette of a file.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="DataException">The file cannot be read, or is of a format that does not keep labels.</exception>
    public static LabelFileHead Head(string path)
    {
        byte[] start = [];
        // Opening a pipe or a device may wait for ever; to the system they are as empty as an empty file.
        if (new FileInfo(path) is not { Exists: true, Length: 0 })
            using (var file = DataFiles.Open(path))
            {
                start = new byte[16];
                start = start[..file.ReadAtLeast(start, start.Length, throwOnEndOfStream: false)];
            }
        return FormatOf(path, start) == ImageFormat.Png ? HeadOf(PngValues.Head(path)) : Read(path, static _ => static (_, _, _, _) => { });
    }

    /// <summary>The palette of a file; null where it has none.</summary>
    /// <inheritdoc cref="Head"/>
    public static IReadOnlyList<(byte R, byte G, byte B)>? PaletteOf(string path) => Head(path).Palette;

    /// <summary>Counts the values that a file holds.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="DataException">The file cannot be read, is damaged, or is of a format that does not keep labels.</exception>
    public static RawLabels Raw(string path)
    {
        long[] numbers = [];
        var colors = new Dictionary<int, long>();
        var head = Read(path, head =>
        {
            if (head.Kind == LabelFileKind.Color)
                return (values, _, _, _) =>
                {
                    foreach (var color in values)
                        CollectionsMarshal.GetValueRefOrAddDefault(colors, color, out _)++;
                };
            numbers = new long[1 << head.Bits];
            return (values, _, _, _) =>
            {
                foreach (var value in values)
                    numbers[value]++;
            };
        });
        if (head.Kind != LabelFileKind.Color)
            colors = numbers.Index().Where(entry => entry.Item > 0).ToDictionary(entry => entry.Index, entry => entry.Item);
        return new(head, new SortedDictionary<int, long>(colors));
    }

    /// <summary>Reads a map.</summary>
    /// <param name="path">The file.</param>
    /// <param name="rule">What its values mean.</param>
    /// <exception cref="DataException">
    /// The file cannot be read, is damaged, or is of a format that does not keep labels; or it holds a value that means nothing: the
    /// message names it and says how often it is there.
    /// </exception>
    public static LabelMap Read(string path, LabelRule rule)
    {
        byte[] ids = [];
        var unknown = new UnknownLabels();
        var head = Read(path, head =>
        {
            ids = new byte[checked(head.Size.Height * head.Size.Width)];
            var lookup = Lookup(head, rule);
            return (values, y, left, step) =>
            {
                var row = ids.AsSpan(y * head.Size.Width, head.Size.Width);
                for (var (i, x) = (0, left); i < values.Length; i++, x += step)
                {
                    var id = lookup.ClassOf(values[i]);
                    if (id < 0)
                        unknown.Add(values[i]);
                    row[x] = (byte)id;
                }
            };
        });
        return unknown.IsEmpty ? new(ids, head.Size) : throw new DataFormatException(path, null, unknown.Explain(head, rule));
    }

    /// <summary>The class of a value of a file, as <see cref="Read(string, LabelRule)"/> takes it; negative for none.</summary>
    /// <param name="head">What the file says of itself.</param>
    /// <param name="rule">What its values mean.</param>
    internal static Func<int, int> Classes(LabelFileHead head, LabelRule rule) => Lookup(head, rule).ClassOf;

    // Numbers have a table; colours are looked up, and neighbours mostly have the same.
    private sealed class Labels(int[]? table, LabelRule rule, bool byColor)
    {
        private int last = int.MinValue,
            lastClass;

        internal int ClassOf(int value)
        {
            if (table is not null)
                return table[value];
            if (value != last)
                (last, lastClass) = (value, byColor ? rule.OfPacked(value) : rule.ClassOf(LevelOf(value)));
            return lastClass;
        }
    }

    private static Labels Lookup(LabelFileHead head, LabelRule rule)
    {
        if (head.Kind == LabelFileKind.Color)
            return new(null, rule, rule.HasColors);
        var table = new int[1 << head.Bits];
        for (var value = 0; value < table.Length; value++)
            table[value] =
                !rule.IsByColor ? rule.ClassOf(value)
                : ColorOf(head, value) is { } color ? rule.OfPacked(color)
                : LabelRule.Unknown;
        return new(table, rule, byColor: false);
    }

    // The colour that programs show of a value; null for an index behind the palette, and for levels that 8 bits do not have.
    private static int? ColorOf(LabelFileHead head, int value)
    {
        if (head.Palette is { } palette)
            return value < palette.Count ? LabelRule.Pack(palette[value]) : null;
        var largest = (1 << head.Bits) - 1;
        return value <= largest && value * 255 % largest == 0 ? value * 255 / largest * 0x010101 : null;
    }

    // Colours whose three parts are equal are levels of grey.
    private static int LevelOf(int color) => color % 0x010101 == 0 ? color & 255 : LabelRule.Unknown;

    /// <summary>Values without a meaning, with their numbers of pixels.</summary>
    private sealed class UnknownLabels
    {
        private readonly Dictionary<int, long> counts = [];
        private long pixels;

        internal bool IsEmpty => pixels == 0;

        internal void Add(int value)
        {
            pixels++;
            if (counts.Count < MostCounted || counts.ContainsKey(value))
                CollectionsMarshal.GetValueRefOrAddDefault(counts, value, out _)++;
        }

        internal string Explain(LabelFileHead head, LabelRule rule)
        {
            var isColor = head.Kind == LabelFileKind.Color;
            var byColor = isColor ? rule.HasColors : rule.IsByColor;
            var listed = counts.OrderByDescending(entry => entry.Value).ThenBy(entry => entry.Key).Take(MostListed).ToArray();
            if (isColor && !byColor && listed.Any(entry => LevelOf(entry.Key) < 0))
                return $"an image of colours ({LabelRule.Hex(listed.First(entry => LevelOf(entry.Key) < 0).Key)}, ...), and there is no "
                    + "table that says which class each colour is";
            var what = isColor && byColor ? "colour" : "value";
            var list = string.Join(", ", listed.Select(entry => $"{Name(entry.Key)} ({Pixels(entry.Value)})"));
            var rest =
                counts.Count > listed.Length
                    ? $" and {(counts.Count < MostCounted ? "" : "at least ")}{counts.Count - listed.Length} more"
                    : "";
            var one = counts.Count == 1;
            return $"{what}{(one ? "" : "s")} {list}{rest} {(one ? "is" : "are")} no class"
                + (byColor ? Nearest(listed[0].Key) : $": values must be {rule}");

            string Name(int value) =>
                isColor && byColor ? LabelRule.Hex(value)
                : isColor ? Text(LevelOf(value))
                : byColor && ColorOf(head, value) is { } color ? $"{Text(value)} of the colour {LabelRule.Hex(color)}"
                : byColor ? $"{Text(value)} without a colour"
                : Text(value);

            string Nearest(int value)
            {
                var hint = counts.Count > listed.Length ? "; maps that were resized smoothly or stored as JPEG hold such colours" : "";
                return (isColor ? value : ColorOf(head, value)) is { } color
                    ? $": the nearest colour of the table is {LabelRule.Hex(rule.Colors.MinBy(known => Distance(known, color)))}{hint}"
                    : $": the table has {rule.Colors.Count()} colours, and none is this one{hint}";
            }
        }

        private static int Distance(int a, int b)
        {
            var (r, g, blue) = ((a >> 16) - (b >> 16), (a >> 8 & 255) - (b >> 8 & 255), (a & 255) - (b & 255));
            return r * r + g * g + blue * blue;
        }

        private static string Text(int value) => value.ToString(CultureInfo.InvariantCulture);

        private static string Pixels(long count) => count == 1 ? "1 pixel" : string.Create(CultureInfo.InvariantCulture, $"{count} pixels");
    }

    // Values of pixels: a number each, or a packed colour.
    private delegate void LabelRow(ReadOnlySpan<int> values, int y, int left, int step);

    private static ImageFormat? FormatOf(string path, ReadOnlySpan<byte> start)
    {
        if (start.StartsWith(MatlabStart))
            return null;
        const string lost = "values change at the borders of classes, so that labels cannot be read from it: store it as PNG";
        return start.IsEmpty
            ? throw new DataFormatException(path, null, "an empty file")
            : ImageFormats.Of(start) switch
            {
                ImageFormat.Png => ImageFormat.Png,
                ImageFormat.Tiff => ImageFormat.Tiff,
                ImageFormat.Bmp => ImageFormat.Bmp,
                ImageFormat.Gif => ImageFormat.Gif,
                ImageFormat.Jpeg => throw new DataFormatException(path, null, $"a label map in a JPEG file: {lost}"),
                ImageFormat.WebP => throw new DataFormatException(path, null, $"a label map in a WebP file: {lost}"),
                { } other => throw new DataFormatException(
                    path,
                    null,
                    $"a label map in a {other.ToString().ToUpperInvariant()} file, which is not read: store it as PNG"
                ),
                null => throw new DataFormatException(
                    path,
                    0,
                    "not a PNG file: label maps must be PNG files, or TIFF, BMP, GIF or MATLAB files"
                ),
            };
    }

    private static LabelFileHead Read(string path, Func<LabelFileHead, LabelRow> begin)
    {
        var file = DataFiles.ReadAll(path);
        return FormatOf(path, file) switch
        {
            ImageFormat.Png => ReadPng(path, file, begin),
            ImageFormat.Tiff => ReadTiff(path, file, begin),
            ImageFormat.Bmp or ImageFormat.Gif => ReadBlock(path, file, begin),
            _ => ReadMatrix(path, begin),
        };
    }

    private static LabelFileHead HeadOf(PngHead png) =>
        new(
            png.Palette is not null ? LabelFileKind.Palette
                : png.Channels > 2 ? LabelFileKind.Color
                : LabelFileKind.Gray,
            png.Depth,
            new(png.Height, png.Width),
            Colors(png.Palette)
        );

    private static LabelFileHead ReadPng(string path, byte[] file, Func<LabelFileHead, LabelRow> begin) =>
        HeadOf(PngValues.Read(path, file, png =>
            {
                var take = begin(HeadOf(png));
                var labels = new int[png.Width];
                return (values, y, left, step) =>
                {
                    var row = labels.AsSpan(0, values.Length / png.Channels);
                    Gather(path, values, png.Channels, png.Depth == 16, row);
                    take(row, y, left, step);
                };
            }));

    // One number per pixel, without alpha.
    private static void Gather(string path, ReadOnlySpan<ushort> values, int channels, bool wide, Span<int> row)
    {
        if (channels < 3)
        {
            for (int i = 0, j = 0; i < row.Length; i++, j += channels)
                row[i] = values[j];
            return;
        }
        for (int i = 0, j = 0; i < row.Length; i++, j += channels)
        {
            int r = values[j],
                g = values[j + 1],
                b = values[j + 2];
            if (wide)
            {
                if (r % 257 != 0 || g % 257 != 0 || b % 257 != 0)
                    throw new DataFormatException(path, null, $"the colour ({r}, {g}, {b}) of 16 bits is none of 8 bits: store it with 8");
                (r, g, b) = (r / 257, g / 257, b / 257);
            }
            row[i] = r << 16 | g << 8 | b;
        }
    }

    private static LabelFileHead ReadTiff(string path, byte[] file, Func<LabelFileHead, LabelRow> begin)
    {
        if (TiffTags.LabelObstacle(file) is { } obstacle)
            throw new DataFormatException(path, null, obstacle);
        using var image = ImageDecoder.Load(path, file, new());
        var (channels, wide, width) = (image.Bands, image.IsWide, image.Width);
        if (channels > 4)
            throw new DataFormatException(path, null, $"{channels} channels: a label map must have 1, or 3 of colours");
        var head = new LabelFileHead(channels > 2 ? LabelFileKind.Color : LabelFileKind.Gray, wide ? 16 : 8, new(image.Height, width));
        var take = begin(head);
        var (labels, values) = (new int[width], new ushort[width * channels]);
        image.Read(new(0, 0, image.Height, width), (bytes, top, count) =>
        {
            for (var y = 0; y < count; y++)
            {
                if (wide)
                    MemoryMarshal.Cast<byte, ushort>(bytes).Slice(y * values.Length, values.Length).CopyTo(values);
                else
                    for (var i = 0; i < values.Length; i++)
                        values[i] = bytes[y * values.Length + i];
                Gather(path, values, channels, wide, labels);
                take(labels, top + y, 0, 1);
            }
        });
        return head;
    }

    private static LabelFileHead ReadBlock(string path, byte[] file, Func<LabelFileHead, LabelRow> begin)
    {
        Span<byte> palette = stackalloc byte[3 * 256];
        using var block =
            ImageFormats.Of(file) is ImageFormat.Bmp
                ? Bmp.Read(path, file, ImageDecoder.LargestImage, palette)
                : Gif.Read(path, file, ImageDecoder.LargestImage, palette);
        var isColor = block.Bands == 3;
        var head = new LabelFileHead(
            isColor ? LabelFileKind.Color : LabelFileKind.Palette,
            8,
            new(block.Height, block.Width),
            isColor ? null : Colors(palette.ToArray())
        );
        var take = begin(head);
        var (labels, values) = (new int[block.Width], new ushort[block.Width * block.Bands]);
        for (var y = 0; y < block.Height; y++)
        {
            for (var i = 0; i < values.Length; i++)
                values[i] = block.Values[y * values.Length + i];
            Gather(path, values, block.Bands, wide: false, labels);
            take(labels, y, 0, 1);
        }
        return head;
    }

    private static (byte R, byte G, byte B)[]? Colors(byte[]? palette) =>
        palette?.Chunk(3).Select(color => (color[0], color[1], color[2])).ToArray();

    // Column by column.
    private static LabelFileHead ReadMatrix(string path, Func<LabelFileHead, LabelRow> begin)
    {
        var found = MatFile.Read(path);
        var matrix = matrices.Select(name => found.GetValueOrDefault(name)).FirstOrDefault(matrix => matrix is not null)
            ?? throw new DataFormatException(path, null, $"no matrix {string.Join(" or ", matrices)} with labels");
        if (matrix.Shape is not [var height, var width] || height < 1 || width < 1)
            throw new DataFormatException(
                path,
                null,
                $"'{matrix.Name}' is {string.Join("x", matrix.Shape)}: it must have rows and columns"
            );
        var head = new LabelFileHead(LabelFileKind.Gray, 16, new(height, width));
        var take = begin(head);
        var row = new int[width];
        for (var y = 0; y < height; y++)
        {
            for (var x = 0; x < width; x++)
                row[x] =
                    matrix.Values[x * height + y] is >= 0 and <= ushort.MaxValue and var value && value == Math.Floor(value)
                        ? (int)value
                        : throw new DataFormatException(
                            path,
                            null,
                            $"'{matrix.Name}' holds {matrix.Values[x * height + y].ToString(CultureInfo.InvariantCulture)}: it must hold "
                                + $"integers from 0 to {ushort.MaxValue}"
                        );
            take(row, y, 0, 1);
        }
        return head;
    }
}
