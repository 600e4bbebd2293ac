namespace Tessera.Data.Loading;

/// <summary>
/// Several samples of a class in a batch, for methods that compare samples by their classes: a batch of 64 with 4 instances has 4 samples
/// of each of 16 classes. In an epoch every sample comes at least once; where those of a class do not divide evenly, some come again, each
/// copy augmented in its own way. Large classes are spread over the epoch, and batches have different classes as far as that allows.
/// </summary>
/// <param name="Classes">Class of each sample.</param>
/// <param name="Instances">Samples of a class beside each other, at least 1.</param>
/// <param name="Batch">Samples of a batch over all processes, a multiple of the instances.</param>
public sealed record ByClass(ClassLabels Classes, int Instances, int Batch) : Sampler
{
    /// <inheritdoc/>
    /// <exception cref="DataException">
    /// Another number of samples than there are labels, or batches that the instances do not divide.
    /// </exception>
    public override Draw[] Order(int count, ulong seed, int epoch, Replica replica)
    {
        if (count != Classes.Count)
            throw new DataException($"sampling by class: {count} samples and {Classes.Count} labels");
        if (Instances < 1 || Batch < 1 || Batch % Instances != 0)
            throw new DataException($"sampling by class: a batch of {Batch} must be a multiple of {Instances} instances");
        if (count == 0)
            return [];
        var members = new List<int>[Classes.ClassNames.Count];
        for (var i = 0; i < count; i++)
            (members[Classes.Labels[i]] ??= []).Add(i);
        List<Group> groups = [];
        foreach (var (label, own) in members.Index().Where(entry => entry.Item is not null))
            groups.AddRange(Groups(label, [.. own], new(seed, epoch, label, Streams.Groups)));
        return Share<Draw>([.. Apart(groups).SelectMany(group => group.Draws)], replica);
    }

    // The groups of a class at even distances over the epoch, each at a random place within its stretch.
    private IEnumerable<Group> Groups(int label, int[] samples, SampleRandom random)
    {
        random.Shuffle<int>(samples);
        var count = (samples.Length + Instances - 1) / Instances;
        var groups = new Group[count];
        for (var group = 0; group < count; group++)
        {
            var draws = new Draw[Instances];
            for (var i = 0; i < Instances; i++)
            {
                var place = group * Instances + i;
                // Copies beyond the number of streams begin with the first again.
                draws[i] = new(samples[place % samples.Length], place / samples.Length % Streams.Views);
            }
            groups[group] = new(label, (group + random.NextDouble()) / count, draws);
        }
        return groups;
    }

    // In the order of their places. Where the class of the next group is in the batch already, one of those behind it goes first; not one
    // of far behind, or a class that is larger than all others would be left alone to the end of the epoch.
    private IEnumerable<Group> Apart(IEnumerable<Group> groups)
    {
        var waiting = new LinkedList<Group>(groups.OrderBy(group => group.Place).ThenBy(group => group.Label));
        var perBatch = Batch / Instances;
        var inBatch = new HashSet<int>();
        for (var taken = 0; waiting.First is { } first; taken++)
        {
            if (taken % perBatch == 0)
                inBatch.Clear();
            LinkedListNode<Group>? next = first;
            for (var looked = 0; next is not null && inBatch.Contains(next.Value.Label); looked++)
                next = looked < perBatch ? next.Next : null;
            next ??= first;
            waiting.Remove(next);
            inBatch.Add(next.Value.Label);
            yield return next.Value;
        }
    }

    private sealed record Group(int Label, double Place, Draw[] Draws);
}
