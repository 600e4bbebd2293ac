using System.Globalization;
using Tessera.Data.Formats;
using Tessera.Data.Imaging;

namespace Tessera.Data.Checks;

/// <summary>Reads label maps one by one, and keeps no pixel of them.</summary>
/// <param name="quick">Whether files are only asked what they say of themselves.</param>
internal sealed class MapScan(bool quick)
{
    private const int MostValues = 16;

    /// <summary>What is known of the map of a sample.</summary>
    /// <param name="maps">Of its split.</param>
    /// <param name="index">Position in it.</param>
    internal ScannedMap Read(LabelMaps maps, int index)
    {
        var file = maps.MapFile(index);
        try
        {
            return file is null || maps.Rule is not { } rule ? (quick ? ScannedMap.Unknown : OfMap(maps, index))
                : quick ? OfHead(LabelFile.Head(file))
                : OfFile(LabelFile.Raw(file), rule);
        }
        catch (Exception error) when (error is DataException or IOException or UnauthorizedAccessException)
        {
            return ScannedMap.Unknown with { Problem = Message.OneLine(error.Message), IsLossy = file is not null && IsLossy(file) };
        }
    }

    private static ScannedMap OfHead(LabelFileHead head) =>
        ScannedMap.Unknown with
        {
            Head = head,
            Size = head.Size,
            Used = [.. (head.Palette ?? []).Select((color, i) => (i, LabelRule.Pack(color)))],
        };

    private static ScannedMap OfFile(RawLabels raw, LabelRule rule)
    {
        var classOf = LabelFile.Classes(raw.Head, rule);
        var classes = new SortedDictionary<int, long>();
        var foreign = new List<(int Value, long Pixels)>();
        foreach (var (value, pixels) in raw.Counts)
            if (classOf(value) is >= 0 and var id)
                classes[id] = classes.GetValueOrDefault(id) + pixels;
            else
                foreign.Add((value, pixels));
        var isColor = raw.Head.Kind == LabelFileKind.Color;
        var palette = raw.Head.Palette;
        return OfHead(raw.Head) with
        {
            Classes = [.. classes.Select(own => (own.Key, own.Value))],
            Foreign = Most(foreign, isColor),
            ForeignKinds = foreign.Count,
            ForeignPixels = foreign.Sum(own => own.Pixels),
            HasZero = raw.Counts.ContainsKey(0),
            Used = palette is null
                ? []
                : [.. raw.Counts.Keys.Where(value => value < palette.Count).Select(value => (value, LabelRule.Pack(palette[value])))],
        };
    }

    private static ScannedMap OfMap(LabelMaps maps, int index)
    {
        var map = maps[index];
        var counts = new long[LabelMap.Ignored + 1];
        foreach (var id in map.Ids)
            counts[id]++;
        var found = counts.Index().Where(own => own.Item > 0).ToArray();
        var foreign = found.Where(own => own.Index >= maps.ClassNames.Count && own.Index != LabelMap.Ignored).ToArray();
        return ScannedMap.Unknown with
        {
            Size = map.Size,
            Classes = [.. found.Except(foreign).Select(own => (own.Index, own.Item))],
            Foreign = Most([.. foreign.Select(own => (own.Index, own.Item))], isColor: false),
            ForeignKinds = foreign.Length,
            ForeignPixels = foreign.Sum(own => own.Item),
            HasZero = counts[0] > 0,
        };
    }

    private static (int, ValueCount)[] Most(IReadOnlyList<(int Value, long Pixels)> values, bool isColor) =>
        [
            .. values
                .OrderByDescending(own => own.Pixels)
                .ThenBy(own => own.Value)
                .Take(MostValues)
                .Select(own =>
                    (
                        own.Value,
                        new ValueCount(isColor ? LabelRule.Hex(own.Value) : own.Value.ToString(CultureInfo.InvariantCulture), own.Pixels)
                    )
                ),
        ];

    private static bool IsLossy(string file)
    {
        var start = new byte[16];
        try
        {
            using var stream = DataFiles.Open(file);
            var length = stream.ReadAtLeast(start, start.Length, throwOnEndOfStream: false);
            return ImageFormats.Of(start.AsSpan(0, length)) is ImageFormat.Jpeg or ImageFormat.WebP;
        }
        catch (Exception error) when (error is DataException or IOException or UnauthorizedAccessException)
        {
            // The reason why it cannot be read is known already.
            return false;
        }
    }
}
