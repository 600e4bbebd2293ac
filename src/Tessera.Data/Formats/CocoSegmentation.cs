using System.Globalization;
using System.Runtime.InteropServices;
using System.Text.Json;

namespace Tessera.Data.Formats;

/// <summary>The outline of an annotation as its file has it, before the size of its image is known.</summary>
/// <param name="Polygons">On the grid of drawing (<see cref="MaskPolygon.Points"/>); null for run lengths.</param>
/// <param name="Size">Of the run lengths.</param>
/// <param name="Counts">Run lengths.</param>
/// <param name="Text">Run lengths in the compressed form.</param>
internal sealed record CocoSegmentation(int[][]? Polygons, ImageSize Size = default, int[]? Counts = null, string? Text = null)
{
    /// <summary>Whether polygons were left out that have too few points to be some.</summary>
    internal bool LeftOut { get; private init; }

    /// <summary>The mask.</summary>
    /// <param name="image">Size of the image.</param>
    /// <exception cref="DataException">Run lengths that are none, or of another size.</exception>
    internal InstanceMask Mask(ImageSize image)
    {
        if (Polygons is not null)
            return InstanceMask.FromPoints(image, Polygons);
        if (Size != image)
            throw new DataException($"'segmentation' is of an image of {Size}, and the image is {image}");
        return Text is not null ? InstanceMask.FromText(Size, Text) : InstanceMask.FromCounts(Size, Counts!);
    }

    /// <summary>Reads one.</summary>
    /// <returns>Null where there is none: null, or an empty list.</returns>
    /// <exception cref="DataException">Something else stands there.</exception>
    internal static CocoSegmentation? Read(ref Utf8JsonReader reader) =>
        reader.TokenType switch
        {
            JsonTokenType.Null => null,
            JsonTokenType.StartArray => ReadPolygons(ref reader),
            JsonTokenType.StartObject => ReadRuns(ref reader),
            _ => throw new DataException("'segmentation' must be a list of polygons, or an object with 'counts' and 'size'"),
        };

    private static CocoSegmentation? ReadPolygons(ref Utf8JsonReader reader)
    {
        var (polygons, leftOut) = (new List<int[]>(), false);
        // One polygon is often written without the list around it.
        var single = new List<double>();
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
            switch (reader.TokenType)
            {
                case JsonTokenType.Number:
                    single.Add(reader.GetDouble());
                    break;
                case JsonTokenType.StartArray:
                    Add(JsonFields.Numbers(ref reader, "segmentation"));
                    break;
                default:
                    throw new DataException("'segmentation' must be a list of polygons, each a list of numbers");
            }
        if (single.Count > 0 && (polygons.Count > 0 || leftOut))
            throw new DataException("'segmentation' holds numbers beside polygons: it must be a list of polygons, each a list of numbers");
        if (single.Count > 0)
            Add(single);
        return polygons.Count > 0 || leftOut ? new([.. polygons]) { LeftOut = leftOut } : null;

        void Add(List<double> coordinates)
        {
            if (coordinates.Count < 2 * MaskPolygon.LeastPoints && coordinates.Count % 2 == 0)
                leftOut = true;
            else
                polygons.Add(MaskPolygon.Points(coordinates));
        }
    }

    private static CocoSegmentation ReadRuns(ref Utf8JsonReader reader)
    {
        int[]? counts = null;
        string? text = null;
        ImageSize? size = null;
        while (reader.Read() && reader.TokenType != JsonTokenType.EndObject)
        {
            var isCounts = reader.ValueTextEquals("counts"u8);
            if (!isCounts && !reader.ValueTextEquals("size"u8))
            {
                JsonFields.Pass(ref reader);
                continue;
            }
            reader.Read();
            if (!isCounts)
                size = Whole(ref reader, "segmentation.size") is [var height, var width]
                    ? new(height, width)
                    : throw new DataException("'segmentation.size' must be [height, width]");
            else if (reader.TokenType == JsonTokenType.String)
                text = reader.GetString();
            else
                counts = [.. Whole(ref reader, "segmentation.counts")];
        }
        if (counts is null == text is null)
            throw new DataException("'segmentation' must have 'counts' once, as a list of numbers or as text");
        return new(null, size ?? throw new DataException("'segmentation' must have 'size', as in [height, width]"), counts, text);
    }

    private static List<int> Whole(ref Utf8JsonReader reader, string name)
    {
        var numbers = JsonFields.Numbers(ref reader, name);
        var whole = new List<int>(numbers.Count);
        foreach (var number in CollectionsMarshal.AsSpan(numbers))
            whole.Add(
                number is >= int.MinValue and <= int.MaxValue && Math.Truncate(number) == number
                    ? (int)number
                    : throw new DataException(
                        string.Create(CultureInfo.InvariantCulture, $"'{name}' holds {number}: it must hold whole numbers")
                    )
            );
        return whole;
    }
}
