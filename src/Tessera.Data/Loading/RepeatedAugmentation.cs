namespace Tessera.Data.Loading;

/// <summary>
/// Several differently augmented copies of a sample in one global batch (Hoffer et al., 2020; the samplers of DeiT and timm): an
/// epoch still reads about as many samples as the data set has, of which one in <paramref name="Repeats"/> is different.
/// </summary>
/// <param name="Repeats">Copies of each sample.</param>
/// <param name="Round">
/// Length that an epoch is rounded down to a multiple of; 0 for no rounding. Smaller data sets are read without repetition.
/// </param>
/// <param name="Shuffle">Whether the samples come in random order.</param>
public sealed record RepeatedAugmentation(int Repeats = 3, int Round = 256, bool Shuffle = true) : Sampler
{
    /// <inheritdoc/>
    public override Draw[] Order(int count, ulong seed, int epoch, Replica replica)
    {
        if (Repeats < 1 || Round < 0)
            throw new DataException($"repeated augmentation: {Repeats} repeats, rounded to {Round}");
        if (count == 0)
            return [];
        // Fewer samples than a round would leave nothing.
        if (count < Round)
            return new Shuffled().Order(count, seed, epoch, replica);
        var order = Shuffle ? Permutation(count, seed, epoch) : [.. Enumerable.Range(0, count)];
        var repeated = new Draw[checked(count * Repeats)];
        for (var i = 0; i < repeated.Length; i++)
            repeated[i] = new(order[i / Repeats], i % Repeats);
        var length = Round == 0 ? (count + replica.Count - 1) / replica.Count : count / Round * Round / replica.Count;
        return Share<Draw>(repeated, replica)[..length];
    }
}
