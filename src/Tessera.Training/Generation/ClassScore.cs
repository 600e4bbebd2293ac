namespace Tessera.Training.Generation;

/// <summary>
/// The score of predictions (Salimans et al., 2016, arXiv:1606.03498): exp of the mean divergence of p(y | x) from p(y). It is 1 where the
/// classifier says the same of all images, and the number of classes where it is sure of each and all classes come equally often. Only
/// that of the Inception network is the Inception Score.
/// </summary>
public static class ClassScore
{
    /// <summary>The score of each part, with mean and deviation.</summary>
    /// <param name="logits">[N, C], in the order of the images.</param>
    /// <param name="splits">Parts, at least 1: the first N / splits images are the first part, and what is left over belongs to none.</param>
    /// <exception cref="ArgumentOutOfRangeException">There are more parts than images, or fewer than 1.</exception>
    public static ScoreWithDeviation Of(Tensor logits, int splits = 10)
    {
        if (logits.Dim != 2)
            throw new ShapeException($"logits must be [N, C], not {logits.Shape}");
        ArgumentOutOfRangeException.ThrowIfLessThan(splits, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(splits, logits.Size(0));
        using var scope = new Scope();
        using var outside = Torch.NoGrad();
        var each = logits.Size(0) / splits;
        return ScoreWithDeviation.Of([.. Enumerable.Range(0, splits).Select(Part)]);

        double Part(int split)
        {
            var part = new ClassScoreSums(1, (int)logits.Size(1));
            part.Add(logits.Slice(0, split * each, (split + 1) * each), new long[each]);
            return part.Measure().Mean;
        }
    }
}
