using Tessera.Training;
using Tessera.Training.Runs;

namespace Tessera.Search.Results;

/// <summary>A network at its place in the outcome of a search.</summary>
/// <param name="Rank">From 1.</param>
/// <param name="Genome">Names the network.</param>
/// <param name="Cost">What it costs.</param>
/// <param name="Candidate">As the database has it; null where the last training itself decided.</param>
/// <param name="TiesWithBest">
/// Whether its score is no further from the best one than two standard errors of the difference, so that chance may have decided between
/// them. The best one itself does not count.
/// </param>
public sealed record RankedNetwork(int Rank, string Genome, CandidateCost Cost, Candidate? Candidate, bool TiesWithBest);

/// <summary>The order of the networks that a search has found.</summary>
public static class NetworkRanking
{
    // The share of differences that chance alone makes larger is 5 %.
    private const double Errors = 2;

    /// <summary>
    /// Networks from the best to the worst, by the scores so far of the stage that decides. Equal scores are in the order of proposal.
    /// </summary>
    /// <param name="context">The search.</param>
    /// <param name="stage">Another stage than the method's own; null for that.</param>
    /// <returns>Nothing as long as nothing is scored.</returns>
    public static IReadOnlyList<RankedNetwork> Of(SearchContext context, string? stage = null)
    {
        var method = context.Recipe.Search;
        if ((stage ?? method.RankedStage) is { } ranked)
            return Of(context.Candidates(ranked));
        // The last training decides, at its end.
        if (method.Stages(context).OfType<TrainingStage>().Any(one => !File.Exists(new RunFolder(context.FolderOf(one.Name)).ResultsPath)))
            return [];
        return
        [
            .. method
                .Winners(context)
                .Select((genome, i) => new RankedNetwork(i + 1, genome, context.CostOf(genome), null, TiesWithBest: false)),
        ];
    }

    /// <summary>Candidates from the best to the worst, without those that have no score of their own.</summary>
    /// <param name="candidates">Of one stage.</param>
    public static IReadOnlyList<RankedNetwork> Of(IEnumerable<Candidate> candidates)
    {
        Candidate[] order =
        [
            .. candidates
                .Where(one => one is { State: CandidateState.Scored, Evaluated: true, Score: not null })
                .OrderByDescending(one => one.Score)
                .ThenBy(one => one.Generation)
                .ThenBy(one => one.Position),
        ];
        return [.. order.Select((one, i) => new RankedNetwork(i + 1, one.Genome, one.Cost, one, i > 0 && AreTied(order[0], one)))];
    }

    /// <summary>The network of a rank.</summary>
    /// <param name="context">The search.</param>
    /// <param name="rank">From 1.</param>
    /// <exception cref="RunException">There is none.</exception>
    public static RankedNetwork At(SearchContext context, int rank)
    {
        var ranking = Of(context);
        return rank >= 1 && rank <= ranking.Count
            ? ranking[rank - 1]
            : throw new RunException(
                ranking.Count == 0
                    ? $"{context.Folder}: no network of the stage that decides has a score yet"
                    : $"{context.Folder}: the rank must be from 1 to {ranking.Count}, not {rank}"
            );
    }

    private static bool AreTied(Candidate best, Candidate other) =>
        best.Score!.Value - other.Score!.Value <= Errors * Math.Sqrt(Square(best.StandardError ?? 0) + Square(other.StandardError ?? 0));

    private static double Square(double value) => value * value;
}
