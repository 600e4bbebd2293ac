using System.Globalization;

namespace Tessera.Data.Checks;

/// <summary>Puts what was found of label maps into sentences.</summary>
/// <param name="add">Adds a finding about some maps, of which there must be one at least.</param>
internal sealed class MapFindings(Action<Severity, string, IReadOnlyList<NamedMap>, Func<NamedMap, string>> add)
{
    private const double MuchIgnored = 0.5;
    private const int MostValues = 3;

    /// <summary>Says all of a split.</summary>
    /// <param name="maps">Its maps.</param>
    /// <param name="samples">How many samples it has.</param>
    /// <param name="say">Adds a finding about the whole.</param>
    internal void Find(LabelMapsReport maps, int samples, Action<Severity, string, IReadOnlyList<string>> say)
    {
        add(
            Severity.Problem,
            $"{Of(maps.Lossy.Count)} stored in a format that changes values at the borders of classes: store them as PNG",
            maps.Lossy,
            map => map.Name
        );
        add(Severity.Problem, $"{maps.Unreadable.Count} of {samples} label maps cannot be read", maps.Unreadable, map =>
            $"{map.Name}: {((UnreadableMap)map).Problem}"
        );
        add(Severity.Problem, $"{Of(maps.Unequal.Count)} not as large as the image", maps.Unequal, map =>
            $"{map.Name}: {((UnequalMap)map).Map}, and the image is {((UnequalMap)map).Image}"
        );
        if (maps.CountsFromOne)
            say(
                Severity.Problem,
                $"no label is 0, and the only one that is no class is {maps.Classes.Count}: the maps count their {maps.Classes.Count} "
                    + "classes from 1, and must count from 0",
                []
            );
        add(
            Severity.Problem,
            $"{maps.Foreign.Count} of {samples} label maps {Plural(maps.Foreign.Count, "holds", "hold")} values that are no class",
            maps.Foreign,
            map => Values((ForeignValues)map)
        );
        if (maps.Palettes.Count > 1)
            say(
                Severity.Warning,
                $"palettes of label maps differ, {maps.Palettes.Count} in all: a value may be another class in files of another palette",
                [
                    .. maps.Palettes.Select(palette =>
                        $"{palette.First} and {palette.Maps - 1} more"
                        + (palette.Conflict is { } value ? $": {value} has another colour" : "")
                    ),
                ]
            );
        if (maps.Kinds.Count > 1)
            say(
                Severity.Remark,
                $"label maps are of several kinds: {string.Join(", ", maps.Kinds.Select(kind => $"{kind.Value} of {kind.Key}"))}",
                []
            );
        add(
            Severity.Warning,
            $"{maps.Blank.Count} of {samples} label maps {Plural(maps.Blank.Count, "has", "have")} no pixel that counts",
            maps.Blank,
            map => map.Name
        );
        if (maps.Ignored > 0)
            say(
                maps.IgnoredShare >= MuchIgnored ? Severity.Warning : Severity.Remark,
                string.Create(CultureInfo.InvariantCulture, $"{100 * maps.IgnoredShare:0.##} % of the pixels are ignored"),
                []
            );
        add(
            maps.Single.Count > 1 && maps.Single.Count == maps.Read ? Severity.Warning : Severity.Remark,
            $"{maps.Single.Count} of {samples} label maps {Plural(maps.Single.Count, "is", "are")} of one class alone",
            maps.Single,
            map => $"{map.Name}: {OddNames.Quoted(((MapOfClass)map).Class)}"
        );

        string Of(int count) => $"{count} of {samples} label maps {Plural(count, "is", "are")}";
    }

    private static string Values(ForeignValues map)
    {
        var listed = map.Values.Take(MostValues).Select(own => $"{own.Value} ({own.Pixels} {Plural(own.Pixels, "pixel", "pixels")})");
        var rest = map.Different - Math.Min(MostValues, map.Values.Count);
        return $"{map.Name}: {string.Join(", ", listed)}" + (rest > 0 ? $" and {rest} other values" : "");
    }

    private static string Plural(long count, string one, string several) => count == 1 ? one : several;
}
