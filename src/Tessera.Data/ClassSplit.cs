namespace Tessera.Data;

/// <summary>
/// Divides the classes of a data set into those that are learned from and the others, as retrieval is measured: among classes that were
/// never seen. A draw depends on the seed and the names of the classes alone.
/// </summary>
public static class ClassSplit
{
    /// <summary>Names of the classes that are learned from, in the order of the data's classes.</summary>
    /// <param name="data">Samples with one class each.</param>
    /// <param name="count">How many classes.</param>
    /// <param name="seed">Seed of the draw.</param>
    /// <exception cref="DataException">
    /// The samples do not have one class each, or no class would be left to measure on.
    /// </exception>
    public static IReadOnlyList<string> Draw(Dataset data, int count, ulong seed)
    {
        var labels = ClassLabels.Of(data);
        var counts = labels.SamplesPerClass;
        string[] names = [.. labels.ClassNames.Where((_, label) => counts[label] > 0)];
        if (count < 1 || count >= names.Length)
            throw new DataException(
                $"{data.Name} ({data.Split}) has samples of {names.Length} classes: the number of classes to learn from must be from 1 to "
                    + $"{names.Length - 1}, not {count}, so that others are left to measure on"
            );
        string[] order = [.. names.Order(StringComparer.Ordinal)];
        new SampleRandom(seed, 0, 0, Streams.Classes).Shuffle<string>(order);
        var drawn = order.Take(count).ToHashSet(StringComparer.Ordinal);
        return [.. names.Where(drawn.Contains)];
    }

    /// <summary>The samples of some classes, with the names of these alone.</summary>
    /// <param name="data">Samples with one class each.</param>
    /// <param name="wanted">Whether a class is kept, by its name; a class without samples never is.</param>
    /// <param name="split">Name of the part.</param>
    /// <exception cref="DataException">The samples do not have one class each, or none is left.</exception>
    public static Dataset Part(Dataset data, Func<string, bool> wanted, string split)
    {
        var labels = ClassLabels.Of(data);
        var counts = labels.SamplesPerClass;
        int[] kept =
        [
            .. Enumerable.Range(0, labels.ClassNames.Count).Where(label => counts[label] > 0 && wanted(labels.ClassNames[label])),
        ];
        if (kept.Length == 0)
            throw new DataException($"{data.Name} ({data.Split}): none of its classes is left for {split}");
        var numbers = kept.Index().ToDictionary(one => one.Item, one => one.Index);
        int[] indices = [.. Enumerable.Range(0, data.Count).Where(index => numbers.ContainsKey(labels.Labels[index]))];
        return data.Part(indices, split)
            .Relabelled(
                new ClassLabels(
                    [.. kept.Select(label => labels.ClassNames[label])],
                    [.. indices.Select(index => numbers[labels.Labels[index]])],
                    $"{data.Name} ({split})"
                )
            );
    }
}
