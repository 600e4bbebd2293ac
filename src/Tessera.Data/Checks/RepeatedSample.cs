namespace Tessera.Data.Checks;

/// <summary>A sample of a split.</summary>
/// <param name="Split">The split.</param>
/// <param name="Index">Position in it.</param>
/// <param name="Name">Its file, or its number.</param>
/// <param name="Label">Its classes by the names of the training split; empty where there are none.</param>
public sealed record SampleReference(string Split, int Index, string Name, string Label);

/// <summary>Samples that are the same file, or that have the same bytes, the same pixels or the same text.</summary>
/// <param name="Samples">At least two, by split and position.</param>
/// <param name="Files">
/// Number of different files among them: 1 where all are links to one file or name the same, 0 where samples are not files.
/// </param>
public sealed record RepeatedSample(IReadOnlyList<SampleReference> Samples, int Files)
{
    /// <summary>The splits that have it.</summary>
    public IReadOnlyList<string> Splits => [.. Samples.Select(sample => sample.Split).Distinct()];

    /// <summary>Whether the samples are not all of the same classes.</summary>
    public bool LabelsDiffer => Samples.Any(sample => sample.Label != Samples[0].Label);
}
