namespace Tessera.Data.Checks;

/// <summary>Finds samples that are there several times.</summary>
internal static class RepeatedSamples
{
    /// <summary>All of them, by the first sample of each.</summary>
    /// <param name="opened">Knows which splits must not share samples.</param>
    /// <param name="splits">Samples and their files.</param>
    /// <param name="scanned">What is known of each sample.</param>
    /// <param name="classes">Names of the classes of the training split.</param>
    internal static IReadOnlyList<RepeatedSample> Find(
        OpenedSplits opened,
        IReadOnlyList<SplitSamples> splits,
        IReadOnlyList<IReadOnlyList<ScannedSample>> scanned,
        IReadOnlyList<string> classes
    )
    {
        // What cannot be read is no copy of anything, unless it is the same file.
        var groups = Groups((s, i) => (scanned[s][i].Content is not null, scanned[s][i].Content.GetValueOrDefault()))
            .Concat(Groups((s, i) => (scanned[s][i].Content is null && splits[s].File(i) is not null, splits[s].File(i) ?? "")));
        var names = splits.Select((split, s) => new SampleLabels(split.Data, classes, scanned[s])).ToArray();
        return
        [
            .. groups
                .Select(Reduced)
                .OrderBy(group => group[0])
                .Where(group => group.Count > 1)
                .Select(group => new RepeatedSample(
                    [
                        .. group.Select(at => new SampleReference(
                            splits[at.Split].Name,
                            at.Index,
                            splits[at.Split].Data.SampleName(at.Index),
                            names[at.Split].Of(at.Index)
                        )),
                    ],
                    group.Select(at => splits[at.Split].File(at.Index)).Where(file => file is not null).Distinct().Count()
                )),
        ];

        List<List<(int Split, int Index)>> Groups<TKey>(Func<int, int, (bool IsKnown, TKey Key)> keyOf)
            where TKey : notnull
        {
            var first = new Dictionary<TKey, (int Split, int Index)>();
            var several = new Dictionary<TKey, List<(int Split, int Index)>>();
            for (var s = 0; s < splits.Count; s++)
            for (var i = 0; i < splits[s].Data.Count; i++)
            {
                var (isKnown, key) = keyOf(s, i);
                if (!isKnown || first.TryAdd(key, (s, i)))
                    continue;
                if (!several.TryGetValue(key, out var group))
                    several[key] = group = [first[key]];
                group.Add((s, i));
            }
            return [.. several.Values];
        }

        // Parts that are made of other parts share their samples by design: the first of them stands for all.
        List<(int Split, int Index)> Reduced(List<(int Split, int Index)> group) =>
            [.. group.Where(at => at.Split == group[0].Split || opened.AreDisjoint(splits[at.Split].Name, splits[group[0].Split].Name))];
    }
}
