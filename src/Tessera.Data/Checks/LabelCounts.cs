namespace Tessera.Data.Checks;

/// <summary>How many classes the samples of a split have, where each may have several.</summary>
/// <param name="Mean">Classes per sample on average.</param>
/// <param name="Samples">Number of samples with so many classes, from none on.</param>
public sealed record LabelCounts(double Mean, IReadOnlyList<int> Samples)
{
    /// <summary>Samples without a class.</summary>
    public int Without => Samples[0];

    /// <summary>Counts the classes of samples.</summary>
    /// <param name="labels">Of a split.</param>
    internal static LabelCounts Of(MultiLabels labels)
    {
        var (samples, all) = (new List<int> { 0 }, 0L);
        for (var i = 0; i < labels.Count; i++)
        {
            var count = labels[i].Length;
            while (samples.Count <= count)
                samples.Add(0);
            samples[count]++;
            all += count;
        }
        return new(labels.Count == 0 ? 0 : (double)all / labels.Count, samples);
    }
}
