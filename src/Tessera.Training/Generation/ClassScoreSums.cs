using Tessera.Distributed;

namespace Tessera.Training.Generation;

/// <summary>
/// What <see cref="ClassScore"/> needs of predictions, gathered batch by batch. The image of number i belongs to part i mod the number of
/// parts, whatever the batches and the processes that it comes in. Not for several threads at once.
/// </summary>
/// <param name="splits">Parts, at least 1.</param>
/// <param name="classes">Classes of the classifier.</param>
internal sealed class ClassScoreSums(int splits, int classes)
{
    // Of each part: images, sum of p log p, sums of p by class.
    private readonly double[] counts = new double[splits],
        negentropies = new double[splits],
        probabilities = new double[splits * classes];

    /// <summary>Classes of the classifier.</summary>
    internal int Classes => classes;

    /// <summary>Takes in predictions.</summary>
    /// <param name="logits">[B, C].</param>
    /// <param name="numbers">The numbers of the B images.</param>
    internal void Add(Tensor logits, ReadOnlySpan<long> numbers)
    {
        using var scope = new Scope();
        var logs = logits.To(DType.Float64).LogSoftmax(1);
        var shares = logs.Exp();
        // Where p is 0, p log p is 0, although its logarithm is infinite.
        var terms = Torch.Where(shares.Gt(0), shares * logs, shares.ZerosLike()).Sum([1]).ToArray<double>();
        var values = shares.ToArray<double>();
        for (var row = 0; row < numbers.Length; row++)
        {
            var part = (int)(numbers[row] % splits);
            counts[part]++;
            negentropies[part] += terms[row];
            for (var label = 0; label < classes; label++)
                probabilities[part * classes + label] += values[row * classes + label];
        }
    }

    /// <summary>Adds what other processes have gathered; all have the same afterwards.</summary>
    internal void Join(ProcessGroup group)
    {
        var all = group.Sum([.. counts, .. negentropies, .. probabilities]);
        all.AsSpan(0, splits).CopyTo(counts);
        all.AsSpan(splits, splits).CopyTo(negentropies);
        all.AsSpan(2 * splits).CopyTo(probabilities);
    }

    /// <summary>Mean and deviation over the parts that have images.</summary>
    internal ScoreWithDeviation Measure() =>
        ScoreWithDeviation.Of([.. Enumerable.Range(0, splits).Where(part => counts[part] > 0).Select(Score)]);

    private double Score(int part)
    {
        var marginal = 0.0;
        for (var label = 0; label < classes; label++)
            if (probabilities[part * classes + label] / counts[part] is > 0 and var share)
                marginal += share * Math.Log(share);
        return Math.Exp(negentropies[part] / counts[part] - marginal);
    }
}
