namespace Tessera.Data.Loading;

/// <summary>
/// Two halves of the samples by turns, for methods that learn different things from each: which half a sample belongs to is drawn once and
/// for all epochs. An epoch reads every sample once, in random order; a batch has as many of one half as of the other, and so has the share
/// of each process.
/// </summary>
/// <param name="Division">Seed of the division.</param>
public sealed record Halves(ulong Division = 0) : Sampler
{
    /// <summary>Whether each sample belongs to the second half, which is the smaller one where they differ.</summary>
    /// <param name="count">Samples in the data set.</param>
    /// <param name="division">Seed of the division.</param>
    public static IReadOnlyList<bool> Second(int count, ulong division)
    {
        var order = Enumerable.Range(0, count).ToArray();
        var random = new SampleRandom(division, 0, 0, Streams.Halves);
        random.Shuffle<int>(order);
        var result = new bool[count];
        foreach (var index in order.Take(count / 2))
            result[index] = true;
        return result;
    }

    /// <inheritdoc/>
    public override Draw[] Order(int count, ulong seed, int epoch, Replica replica)
    {
        if (count == 0)
            return [];
        // One shuffle of all is one of each half.
        var second = Second(count, Division);
        var halves = Permutation(count, seed, epoch).ToLookup(index => second[index]);
        var (first, other) = (halves[false].ToArray(), halves[true].ToArray());
        var order = new Draw[count];
        for (var i = 0; i < count; i++)
            order[i] = new((i % 2 == 0 ? first : other)[i / 2]);
        return Share<Draw>(order, replica);
    }
}
