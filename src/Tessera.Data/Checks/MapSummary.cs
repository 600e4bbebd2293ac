namespace Tessera.Data.Checks;

/// <summary>Sums up the label maps of a split.</summary>
/// <param name="data">The split.</param>
/// <param name="maps">Its annotations.</param>
/// <param name="samples">What is known of each sample.</param>
internal sealed class MapSummary(Dataset data, LabelMaps maps, IReadOnlyList<ScannedSample> samples)
{
    /// <summary>All of it.</summary>
    internal LabelMapsReport Report()
    {
        var scanned = samples.Select((sample, i) => (Index: i, Sample: sample, Map: sample.Map!)).ToArray();
        var read = scanned.Where(own => own.Map.Classes is not null).ToArray();
        var (pixels, images) = (new long[LabelMap.Ignored + 1], new int[LabelMap.Ignored + 1]);
        var most = new (long Pixels, int? Index)[LabelMap.Ignored + 1];
        foreach (var (index, _, map) in read)
        foreach (var (id, count) in map.Classes!)
        {
            pixels[id] += count;
            images[id]++;
            if (count > most[id].Pixels)
                most[id] = (count, index);
        }
        var foreign = read.Where(own => own.Map.ForeignPixels > 0).ToArray();
        var counted = read.Select(own =>
                (own.Index, Classes: own.Map.Classes!.Where(one => one.Class != LabelMap.Ignored).ToArray(), own.Map)
            )
            .ToArray();
        return new(
            read.Length,
            read.Sum(own => (long)own.Map.Size!.Value.Height * own.Map.Size.Value.Width),
            pixels[LabelMap.Ignored],
            read.Length == 0
                ? []
                : [.. data.ClassNames.Select((name, id) => new ClassPixels(name, pixels[id], images[id], most[id].Index))],
            [
                .. foreign.Select(own => new ForeignValues(
                    own.Index,
                    Name(own.Index),
                    [.. own.Map.Foreign.Select(value => value.Count)],
                    own.Map.ForeignKinds,
                    own.Map.ForeignPixels
                )),
            ],
            [
                .. scanned
                    .Where(own => own.Map.Size is { } size && own.Sample.Seen is { } image && size != image)
                    .Select(own => new UnequalMap(own.Index, Name(own.Index), own.Map.Size!.Value, own.Sample.Seen!.Value)),
            ],
            [.. Failed(scanned.Where(own => own.Map is { Problem: not null, IsLossy: false }))],
            [.. Failed(scanned.Where(own => own.Map is { Problem: not null, IsLossy: true }))],
            [
                .. counted
                    .Where(own => own.Classes.Length == 1 && own.Map.ForeignPixels == 0)
                    .Select(own => new MapOfClass(own.Index, Name(own.Index), data.ClassNames[own.Classes[0].Class])),
            ],
            [
                .. counted
                    .Where(own => own.Classes.Length == 0 && own.Map.ForeignPixels == 0)
                    .Select(own => new NamedMap(own.Index, Name(own.Index))),
            ],
            scanned
                .Where(own => own.Map.Head is not null)
                .CountBy(own => own.Map.Head!.Kind)
                .OrderBy(kind => kind.Key)
                .ToDictionary(kind => kind.Key.ToString().ToLowerInvariant(), kind => kind.Value),
            Palettes(scanned.Where(own => own.Map.Used.Count > 0).Select(own => (own.Index, own.Map.Used))),
            foreign.Length > 0
                && read.All(own => !own.Map.HasZero)
                && foreign.All(own => own.Map is { ForeignKinds: 1, Foreign: [(var value, _)] } && value == data.ClassNames.Count)
        );
    }

    private string Name(int index) => maps.MapFile(index) ?? data.SampleName(index);

    private IEnumerable<UnreadableMap> Failed(IEnumerable<(int Index, ScannedSample Sample, ScannedMap Map)> scanned) =>
        scanned.Select(own => new UnreadableMap(own.Index, Name(own.Index), own.Map.Problem!));

    // Files list as many colours as they use: palettes are the same as long as no value has two colours.
    private List<PaletteUse> Palettes(IEnumerable<(int Index, IReadOnlyList<(int Index, int Color)> Used)> maps)
    {
        var found = new List<(Dictionary<int, int> Colors, PaletteUse Use)>();
        foreach (var (sample, used) in maps)
        {
            var place = found.FindIndex(own => Conflict(own.Colors, used) is null);
            if (place < 0)
            {
                found.Add(([], new(0, Name(sample), found.Count == 0 ? null : Conflict(found[0].Colors, used))));
                place = found.Count - 1;
            }
            foreach (var (index, color) in used)
                found[place].Colors.TryAdd(index, color);
            found[place] = (found[place].Colors, found[place].Use with { Maps = found[place].Use.Maps + 1 });
        }
        return [.. found.Select(own => own.Use)];
    }

    private static int? Conflict(Dictionary<int, int> colors, IReadOnlyList<(int Index, int Color)> used)
    {
        foreach (var (index, color) in used)
            if (colors.TryGetValue(index, out var own) && own != color)
                return index;
        return null;
    }
}
