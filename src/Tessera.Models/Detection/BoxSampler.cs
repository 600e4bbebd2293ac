namespace Tessera.Models.Detection;

/// <summary>Draws the boxes of an image that a loss counts, from the engine's generator, so that a resumed run draws the same.</summary>
/// <param name="Count">Most boxes of an image.</param>
/// <param name="PositiveShare">Largest share of them that stands for objects; background fills up what is left.</param>
public sealed record BoxSampler(int Count, double PositiveShare)
{
    /// <summary>Draws without repetition.</summary>
    /// <param name="assigned">What <see cref="BoxAssigner.Assign"/> gives.</param>
    /// <returns>Numbers of the boxes that stand for objects, and of those that are background, in ascending order.</returns>
    public (int[] Positives, int[] Negatives) Sample(IReadOnlyList<int> assigned)
    {
        var positives = Draw([.. Where(assigned, box => box > BoxAssigner.Background)], (int)(Count * PositiveShare));
        return (positives, Draw([.. Where(assigned, box => box == BoxAssigner.Background)], Count - positives.Length));
    }

    private static IEnumerable<int> Where(IReadOnlyList<int> assigned, Func<int, bool> wanted) =>
        Enumerable.Range(0, assigned.Count).Where(i => wanted(assigned[i]));

    private static int[] Draw(int[] from, int most)
    {
        if (from.Length <= most)
            return from;
        using var scope = new Scope();
        return [.. Torch.Randperm(from.Length).Slice(0, 0, most).ToArray<long>().Select(place => from[place]).Order()];
    }
}
