namespace Tessera.Data.Loading;

/// <summary>
/// As many samples of every class in an epoch, which has as many samples as the data set: each class that occurs gets its equal share, and
/// what does not divide evenly goes to classes that are drawn anew in every epoch. A large class gives some of its samples, others in each
/// epoch; a small one gives all of its samples again and again, each copy augmented in its own way, so that no sample of a class comes a
/// further time before all others of the class have.
/// </summary>
/// <param name="Classes">Class of each sample.</param>
public sealed record Balanced(ClassLabels Classes) : Sampler
{
    /// <inheritdoc/>
    /// <exception cref="DataException">Another number of samples than there are labels.</exception>
    public override Draw[] Order(int count, ulong seed, int epoch, Replica replica)
    {
        if (count != Classes.Count)
            throw new DataException($"balanced sampling: {count} samples and {Classes.Count} labels");
        if (count == 0)
            return [];
        var classes = new List<int>[Classes.ClassNames.Count];
        for (var i = 0; i < count; i++)
            (classes[Classes.Labels[i]] ??= []).Add(i);
        var present = Enumerable.Range(0, classes.Length).Where(label => classes[label] is not null).ToArray();
        var random = new SampleRandom(seed, epoch, 0, Streams.Balance);
        random.Shuffle<int>(present);
        var draws = new Draw[count];
        var place = 0;
        foreach (var (rank, label) in present.Index())
        {
            var share = count / present.Length + (rank < count % present.Length ? 1 : 0);
            int[] samples = [.. classes[label]];
            var own = new SampleRandom(seed, epoch, 1 + label, Streams.Balance);
            for (var i = 0; i < share; i++)
            {
                if (i % samples.Length == 0)
                    own.Shuffle<int>(samples);
                // Copies beyond the number of streams begin with the first again.
                draws[place++] = new(samples[i % samples.Length], i / samples.Length % Streams.Views);
            }
        }
        random.Shuffle<Draw>(draws);
        return Share<Draw>(draws, replica);
    }
}
