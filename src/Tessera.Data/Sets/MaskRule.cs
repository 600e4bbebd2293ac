using System.Globalization;
using Tessera.Data.Formats;

namespace Tessera.Data.Sets;

/// <summary>What the values of masks of one's own mean, and what was taken for granted.</summary>
/// <param name="Names">Name per class.</param>
/// <param name="Rule">From value to class.</param>
/// <param name="Palette">Colour per class.</param>
/// <param name="Remarks">What was taken, where masks could have been read otherwise.</param>
internal sealed record MaskRule(
    IReadOnlyList<string> Names,
    LabelRule Rule,
    IReadOnlyList<(byte R, byte G, byte B)> Palette,
    IReadOnlyList<string> Remarks
)
{
    private const int MostListed = 10;

    private sealed record Mask(string Path, LabelFileHead Head);

    /// <summary>Decides for the masks of all splits alike.</summary>
    /// <param name="name">Of the data set, in messages.</param>
    /// <param name="listed">Classes that the user wrote down.</param>
    /// <param name="masks">Files of all splits.</param>
    /// <param name="lenient">Whether files that cannot be read are left to whoever reads them.</param>
    /// <param name="stop">Ends the look at the files.</param>
    /// <exception cref="DataException">The masks could mean several things; the message says what to write.</exception>
    internal static MaskRule Of(string name, ListedClasses? listed, IReadOnlyList<string> masks, bool lenient, CancellationToken stop)
    {
        Mask[] all = [.. Each(masks, LabelFile.Head, lenient, stop).Select(one => new Mask(one.Path, one.Result))];
        return listed is null ? Found(name, all, lenient, stop) : Listed(name, listed, all, lenient, stop);
    }

    private static MaskRule Listed(string name, ListedClasses listed, Mask[] all, bool lenient, CancellationToken stop)
    {
        var remarks = new List<string>();
        var (gray, palettes, colors) = (
            all.Where(mask => mask.Head.Kind == LabelFileKind.Gray).ToArray(),
            all.Where(mask => mask.Head.Kind == LabelFileKind.Palette).ToArray(),
            all.Where(mask => mask.Head.Kind == LabelFileKind.Color).ToArray()
        );
        var byColor = false;
        if (listed.Colors.Count == 0)
        {
            if (colors.Length > 0)
                remarks.Add(
                    $"{Some(colors, "mask has", "masks have")} three channels: the level of grey is taken for the number of the class, and "
                        + $"a mask with colours is refused unless {listed.Path} gives each class its colour"
                );
            if (Differing(palettes) is var (first, second))
                remarks.Add(
                    $"the palettes of {first.Path} and {second.Path} differ: the index is taken for the class, whatever its colour"
                );
            if (!listed.HasValues && listed.Names.Count == 2)
                CheckTwo(name, listed, all, lenient, stop);
        }
        else if (!listed.HasValues)
        {
            var agree = palettes.All(mask => Agrees(mask.Head.Palette!, listed));
            byColor = colors.Length > 0 || (palettes.Length > 0 ? !agree : gray.Length > 0 && listed.IsGray);
            if (colors.Length > 0 && gray.Length + palettes.Length > 0)
                remarks.Add(
                    $"some masks hold colours and others, as {gray.Concat(palettes).First().Path}, numbers: classes go by the colours that "
                        + "are shown, in all of them"
                );
            else if (byColor && colors.Length == 0)
                remarks.Add(
                    palettes.Length > 0
                        ? $"the palettes of the masks have another order than {listed.Path}: classes go by the colours, not by the index"
                        : $"classes go by the levels of grey in {listed.Path}, not by numbers"
                );
            else if (!byColor && gray.Length > 0)
                remarks.Add($"the masks hold numbers, which are lines of {listed.Path} from 0; its colours are for pictures");
        }
        var rule = listed.Colors.Count > 0 ? listed.Rule.WithColors(listed.Colors, byColor) : listed.Rule;
        return new(listed.Names, rule, listed.Palette ?? PaletteOf(palettes, listed) ?? LabelPalette.Of(listed.Names.Count), remarks);
    }

    // Grey masks of two classes are stored as 0 and 255 as often as 0 and 1, and 255 stands for pixels that do not count.
    private static void CheckTwo(string name, ListedClasses listed, Mask[] all, bool lenient, CancellationToken stop)
    {
        string? suspect = null;
        foreach (var mask in all)
        {
            stop.ThrowIfCancellationRequested();
            try
            {
                var levels = Levels(LabelFile.Raw(mask.Path));
                if (levels?.ContainsKey(1) == true)
                    return;
                suspect ??= levels?.ContainsKey(LabelMap.Ignored) == true ? mask.Path : null;
            }
            catch (DataException) when (lenient)
            {
                // Whoever reads the mask says what is wrong with it.
            }
        }
        if (suspect is not null)
            throw TwoLevels(name, $"{suspect} and others hold", listed.Path, listed.Names[0], listed.Names[1]);
    }

    private static DataException TwoLevels(string name, string who, string path, string first, string second) =>
        new(
            $"{name}: {who} 255 and no 1: 255 is the second class or stands for pixels that do not count; write into {path} "
                + $"'0: {first}' and '255: {second}', or '0: {first}', '1: {second}' and '255: ignored'"
        );

    private static MaskRule Found(string name, Mask[] all, bool lenient, CancellationToken stop)
    {
        var raw = Each([.. all.Select(mask => mask.Path)], LabelFile.Raw, lenient, stop);
        if (raw.Count == 0)
            throw new DataException($"{name}: no mask can be read");
        const string write = "write a file classes.txt beside the folders";
        var counts = new SortedDictionary<int, long>();
        foreach (var (path, labels) in raw)
        foreach (
            var (value, count) in Levels(labels)
                ?? throw new DataException(
                    $"{name}: {path} is an image of colours, and no table says which class each is: {write} with a name and a colour per "
                        + $"line, as in 'tree #00ff00'; it holds {Colors(labels)}"
                )
        )
            counts[value] = counts.GetValueOrDefault(value) + count;
        if (OtherColor(raw) is var (index, one, other))
            throw new DataException(
                $"{name}: the index {index} has another colour in {one} than in {other}: {write} with a name per line if the index is the "
                    + "class, and with a colour in each line, as in 'tree #00ff00', if the colour is"
            );
        var values = counts.Keys.Where(value => value != LabelMap.Ignored).ToArray();
        var isIgnored = counts.ContainsKey(LabelMap.Ignored);
        if (values is [0] && isIgnored)
            throw TwoLevels(name, "the masks hold 0,", "a file classes.txt beside the folders", "background", "NAME");
        if (values.Length < 2)
            throw new DataException(
                $"{name}: the masks hold {(values.Length == 0 ? "255" : $"the value {values[0]}")} alone, and at least 2 classes are needed: "
                    + $"{write} with a class per line, as in '0: background'"
            );
        if (values[0] != 0 || values[^1] != values.Length - 1)
            throw new DataException(
                $"{name}: the masks hold {List(values)}, and classes that are not named must be 0, 1, 2 and so on without gaps: {write} "
                    + $"with lines as in '{values[0]}: NAME', and '{values[0]}: ignored' for pixels that do not count"
            );
        var palettes = all.Where(mask => mask.Head.Kind == LabelFileKind.Palette).ToArray();
        var shown = palettes.FirstOrDefault()?.Head.Palette;
        return new(
            [.. values.Select(value => $"class {value}")],
            LabelRule.Plain(values.Length),
            shown?.Count >= values.Length ? [.. shown.Take(values.Length)] : LabelPalette.Of(values.Length),
            [
                $"the classes are the values in the masks, 0 to {values.Length - 1}{(isIgnored ? "; 255 does not count" : "")}: "
                    + "a file classes.txt with a name per line would name them, and make a look at all masks needless",
            ]
        );
    }

    // Numbers that a mask holds: its values, or the levels of grey of three channels; null where there are colours.
    private static IReadOnlyDictionary<int, long>? Levels(RawLabels labels) =>
        labels.Head.Kind != LabelFileKind.Color ? labels.Counts
        : labels.Counts.Keys.All(color => color % 0x010101 == 0)
            ? labels.Counts.ToDictionary(entry => entry.Key & 255, entry => entry.Value)
        : null;

    private static string Colors(RawLabels labels) =>
        string.Join(
            ", ",
            labels
                .Counts.OrderByDescending(entry => entry.Value)
                .Take(MostListed)
                .Select(entry => string.Create(CultureInfo.InvariantCulture, $"{LabelRule.Hex(entry.Key)} ({entry.Value} pixels)"))
        ) + (labels.Counts.Count > MostListed ? $" and {labels.Counts.Count - MostListed} more" : "");

    private static string List(int[] values) =>
        values.Length <= MostListed
            ? $"{string.Join(", ", values[..^1])} and {values[^1]}"
            : $"{string.Join(", ", values[..MostListed])} and {values.Length - MostListed} more values";

    // An index that occurs in two masks with two colours.
    private static (int Index, string First, string Second)? OtherColor(IReadOnlyList<(string Path, RawLabels Result)> all)
    {
        var known = new Dictionary<int, ((byte R, byte G, byte B) Color, string Path)>();
        foreach (var (path, labels) in all)
            if (labels.Head.Palette is { } palette)
                foreach (var index in labels.Counts.Keys.Where(index => index < palette.Count))
                    if (!known.TryAdd(index, (palette[index], path)) && known[index].Color != palette[index])
                        return (index, known[index].Path, path);
        return null;
    }

    private static (Mask First, Mask Second)? Differing(Mask[] palettes)
    {
        foreach (var mask in palettes)
        {
            var (first, own) = (palettes[0].Head.Palette!, mask.Head.Palette!);
            var common = Math.Min(first.Count, own.Count);
            if (!first.Take(common).SequenceEqual(own.Take(common)))
                return (palettes[0], mask);
        }
        return null;
    }

    // The colour at each value's place is that of its line.
    private static bool Agrees(IReadOnlyList<(byte R, byte G, byte B)> palette, ListedClasses listed) =>
        listed.Colors.Index().All(entry => entry.Index >= palette.Count || palette[entry.Index] == entry.Item.Color);

    // Of palette files, where all agree.
    private static IReadOnlyList<(byte R, byte G, byte B)>? PaletteOf(Mask[] palettes, ListedClasses listed)
    {
        if (palettes.Length == 0 || Differing(palettes) is not null)
            return null;
        var palette = palettes[0].Head.Palette!;
        var values = listed.Names.Select((_, id) => listed.Values.First(entry => entry.Value == id).Key).ToArray();
        return values.All(value => value < palette.Count) ? [.. values.Select(value => palette[value])] : null;
    }

    private static string Some(Mask[] masks, string one, string several) => masks.Length == 1 ? $"1 {one}" : $"{masks.Length} {several}";

    // On all cores, in the order of the files; of several errors the first one's is told.
    private static List<(string Path, T Result)> Each<T>(
        IReadOnlyList<string> paths,
        Func<string, T> read,
        bool lenient,
        CancellationToken stop
    )
        where T : class
    {
        var (results, errors) = (new T?[paths.Count], new DataException?[paths.Count]);
        Parallel.For(0, paths.Count, new ParallelOptions { CancellationToken = stop }, i =>
        {
            try
            {
                results[i] = read(paths[i]);
            }
            catch (DataException error)
            {
                errors[i] = error;
            }
        });
        if (!lenient && Array.Find(errors, error => error is not null) is { } first)
            throw new DataException(first.Message, first);
        return [.. results.Index().Where(entry => entry.Item is not null).Select(entry => (paths[entry.Index], entry.Item!))];
    }
}
