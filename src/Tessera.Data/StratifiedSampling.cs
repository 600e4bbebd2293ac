namespace Tessera.Data;

/// <summary>
/// Samples drawn from every stratum alike (<see cref="Annotations.StratumOf"/>: a class, for samples with one class each). A draw depends
/// on the seed, the stratum and the order of its samples alone, and a smaller draw is part of a larger draw of the same seed.
/// </summary>
public static class StratifiedSampling
{
    /// <summary>Positions of a number of samples of every stratum, ascending.</summary>
    /// <exception cref="DataException">A stratum has fewer.</exception>
    public static int[] Draw(Dataset data, int perStratum, ulong seed) =>
        Draw(data, seed, Streams.Subset, (stratum, size) =>
            size >= perStratum
                ? perStratum
                : throw new DataException(
                    $"{data.Name} ({data.Split}): {data.Annotations.StratumName(stratum)} has {size} samples, {perStratum} were asked for"
                )
        );

    /// <summary>Positions of a share of the samples of every stratum, rounded to whole samples and at least one, ascending.</summary>
    public static int[] Draw(Dataset data, double share, ulong seed) => Draw(data, seed, Streams.Subset, (_, size) => Share(size, share));

    /// <summary>Holds out a share of every stratum: two parts that have nothing in common and together are the whole.</summary>
    /// <param name="data">The whole.</param>
    /// <param name="share">Share of every stratum that is held out, rounded to whole samples and at least one.</param>
    /// <param name="seed">Seed of the draw.</param>
    /// <exception cref="DataException">Nothing would be left of a stratum.</exception>
    public static (int[] Remaining, int[] HeldOut) Divide(Dataset data, double share, ulong seed)
    {
        var heldOut = Draw(data, seed, Streams.HoldOut, (stratum, size) =>
            Share(size, share) is var count && count < size
                ? count
                : throw new DataException(
                    $"{data.Name} ({data.Split}): {data.Annotations.StratumName(stratum)} has {size} samples: "
                        + $"nothing is left when {share:P1} are held out"
                )
        );
        var taken = heldOut.ToHashSet();
        return ([.. Enumerable.Range(0, data.Count).Where(index => !taken.Contains(index))], heldOut);
    }

    /// <summary>
    /// Positions of a number of samples in all, ascending: the first draw of every stratum as far as the number goes, then the others in
    /// proportion to its size.
    /// </summary>
    public static int[] Take(Dataset data, int count, ulong seed)
    {
        if (count >= data.Count)
            return [.. Enumerable.Range(0, data.Count)];
        var strata = Strata(data, seed, Streams.Limit).ToArray();
        int[] turns = [.. Enumerable.Range(0, strata.Length)];
        new SampleRandom(seed, 0, strata.Length, Streams.Limit).Shuffle<int>(turns);
        return
        [
            .. strata
                .Zip(turns)
                .SelectMany(one => one.First.Order.Select((index, rank) => (index, rank, One: one)))
                // Evenly spread over a stratum, each draw has its place; a larger number only goes further.
                .OrderBy(draw => draw.rank == 0 ? 0 : (draw.rank + 0.5) / draw.One.First.Order.Length)
                .ThenBy(draw => draw.One.Second)
                .Take(count)
                .Select(draw => draw.index)
                .Order(),
        ];
    }

    private static int Share(int size, double share) => Math.Clamp((int)Math.Round(size * share, MidpointRounding.AwayFromZero), 1, size);

    private static int[] Draw(Dataset data, ulong seed, int stream, Func<int, int, int> count)
    {
        var drawn = new List<int>();
        foreach (var (stratum, order) in Strata(data, seed, stream))
            drawn.AddRange(order[..count(stratum, order.Length)]);
        return [.. drawn.Order()];
    }

    // The samples of each stratum in the order in which they are drawn.
    private static IEnumerable<(int Stratum, int[] Order)> Strata(Dataset data, ulong seed, int stream)
    {
        foreach (var samples in Enumerable.Range(0, data.Count).GroupBy(data.Annotations.StratumOf))
        {
            int[] order = [.. samples];
            new SampleRandom(seed, 0, samples.Key, stream).Shuffle<int>(order);
            yield return (samples.Key, order);
        }
    }
}
