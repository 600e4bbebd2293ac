namespace Tessera.Data;

/// <summary>
/// Samples drawn from every class alike. What is drawn of a class depends on the seed, the class and the order of its samples
/// alone, and a smaller draw is part of a larger one of the same seed.
/// </summary>
public static class ClassBalance
{
    /// <summary>Positions of so many samples of every class, ascending.</summary>
    /// <exception cref="DataException">A class has fewer.</exception>
    public static int[] Draw(Dataset data, int perClass, ulong seed) =>
        Draw(data, seed, Streams.Subset, (label, size) =>
            size >= perClass
                ? perClass
                : throw new DataException(
                    $"{data.Name} ({data.Split}): {data.Annotations.StratumName(label)} has {size} samples, {perClass} were asked for"
                )
        );

    /// <summary>Positions of a share of the samples of every class, rounded to whole samples and at least one, ascending.</summary>
    public static int[] Draw(Dataset data, double share, ulong seed) => Draw(data, seed, Streams.Subset, (_, size) => Share(size, share));

    /// <summary>Holds out a share of every class: two parts that have nothing in common and together are the whole.</summary>
    /// <param name="data">The whole.</param>
    /// <param name="share">Of every class that is held out, rounded to whole samples and at least one.</param>
    /// <param name="seed">What it is drawn by.</param>
    /// <exception cref="DataException">Of a class nothing would be left.</exception>
    public static (int[] Remaining, int[] HeldOut) Divide(Dataset data, double share, ulong seed)
    {
        var heldOut = Draw(data, seed, Streams.HoldOut, (label, size) =>
            Share(size, share) is var count && count < size
                ? count
                : throw new DataException(
                    $"{data.Name} ({data.Split}): {data.Annotations.StratumName(label)} has {size} samples: nothing is left when {share:P1} are held out"
                )
        );
        var taken = heldOut.ToHashSet();
        return ([.. Enumerable.Range(0, data.Count).Where(index => !taken.Contains(index))], heldOut);
    }

    private static int Share(int size, double share) => Math.Clamp((int)Math.Round(size * share, MidpointRounding.AwayFromZero), 1, size);

    private static int[] Draw(Dataset data, ulong seed, int stream, Func<int, int, int> count)
    {
        var drawn = new List<int>();
        foreach (var samples in Enumerable.Range(0, data.Count).GroupBy(data.Annotations.StratumOf))
        {
            int[] order = [.. samples];
            new SampleRandom(seed, 0, samples.Key, stream).Shuffle<int>(order);
            drawn.AddRange(order[..count(samples.Key, order.Length)]);
        }
        return [.. drawn.Order()];
    }
}
