namespace Tessera.Training.Tasks.Retrieval;

/// <summary>
/// Figures of one query by the ranks of its relevant items, from 0 and ascending (<see cref="Ranking"/>). Items that were never found have
/// no rank, but count among the relevant ones.
/// </summary>
public static class RankMeasures
{
    /// <summary>Whether a relevant item is among the first.</summary>
    /// <param name="ranks">Ranks of the relevant items.</param>
    /// <param name="k">How many items are looked at.</param>
    public static bool IsFound(ReadOnlySpan<int> ranks, int k) => ranks.Length > 0 && ranks[0] < k;

    /// <summary>Share of relevant items among as many as there are relevant ones.</summary>
    /// <param name="ranks">Ranks of the relevant items.</param>
    /// <param name="relevant">Number of relevant items, at least 1.</param>
    public static double RPrecision(ReadOnlySpan<int> ranks, int relevant)
    {
        var hits = 0;
        foreach (var rank in ranks)
            hits += rank < relevant ? 1 : 0;
        return hits / (double)relevant;
    }

    /// <summary>
    /// Mean over the first R places of the precision up to a relevant item, and 0 at others, where R is the number of relevant items
    /// (Musgrave et al., 2020, arXiv:2003.08505, section 3).
    /// </summary>
    /// <param name="ranks">Ranks of the relevant items.</param>
    /// <param name="relevant">Number of relevant items, at least 1.</param>
    public static double MapAtR(ReadOnlySpan<int> ranks, int relevant) => SumOfPrecisions(ranks, relevant) / relevant;

    /// <summary>Mean over all relevant items of the precision up to each, without interpolation.</summary>
    /// <param name="ranks">Ranks of the relevant items.</param>
    /// <param name="relevant">Number of relevant items, at least 1.</param>
    public static double AveragePrecision(ReadOnlySpan<int> ranks, int relevant) => SumOfPrecisions(ranks, int.MaxValue) / relevant;

    private static double SumOfPrecisions(ReadOnlySpan<int> ranks, int before)
    {
        var sum = 0.0;
        for (var i = 0; i < ranks.Length && ranks[i] < before; i++)
            sum += (i + 1) / (ranks[i] + 1.0);
        return sum;
    }

    /// <summary>
    /// Area under precision over recall by trapezoids, as the evaluation of Oxford and Paris takes it (Philbin et al., 2007).
    /// </summary>
    /// <param name="ranks">Ranks of the relevant items.</param>
    /// <param name="relevant">Number of relevant items, at least 1.</param>
    public static double TrapezoidPrecision(ReadOnlySpan<int> ranks, int relevant)
    {
        var sum = 0.0;
        for (var i = 0; i < ranks.Length; i++)
        {
            var before = ranks[i] == 0 ? 1.0 : i / (double)ranks[i];
            var after = (i + 1) / (ranks[i] + 1.0);
            sum += (before + after) / 2 / relevant;
        }
        return sum;
    }

    /// <summary>
    /// Share of relevant items among the first k, or among those up to the last relevant one where that comes before; 0 where none was
    /// found.
    /// </summary>
    /// <param name="ranks">Ranks of the relevant items.</param>
    /// <param name="k">How many items are looked at.</param>
    public static double PrecisionAt(ReadOnlySpan<int> ranks, int k)
    {
        if (ranks.Length == 0)
            return 0;
        var looked = Math.Min(ranks[^1] + 1, k);
        var hits = 0;
        foreach (var rank in ranks)
            hits += rank < looked ? 1 : 0;
        return hits / (double)looked;
    }
}
