using Tessera.Search.Results;
using Tessera.Training;

namespace Tessera.Search.Running;

/// <summary>Brings a stage of candidates to its end: generation after generation, each complete before the next is proposed.</summary>
internal sealed class CandidateWork
{
    // Few candidates say little about a share: one of four that fails is no fourth of all.
    private const int LeastForShare = 20;

    private const int Shown = 5;

    private readonly SearchContext context;
    private readonly ICandidateStore store;
    private readonly CandidateStage stage;
    private readonly int workers;
    private readonly Action<SearchEvent> report;
    private readonly Dictionary<long, (CandidateState State, int Attempts)> known = [];

    /// <summary>Prepares the work.</summary>
    /// <param name="context">The search.</param>
    /// <param name="store">Its candidates.</param>
    /// <param name="stage">The stage.</param>
    /// <param name="workers">How many score at once.</param>
    /// <param name="report">Told what happens.</param>
    internal CandidateWork(SearchContext context, ICandidateStore store, CandidateStage stage, int workers, Action<SearchEvent> report)
    {
        (this.context, this.store, this.stage, this.workers, this.report) = (context, store, stage, workers, report);
        foreach (var candidate in store.Read(stage.Name))
            known[candidate.Id] = (candidate.State, candidate.Attempts);
    }

    /// <summary>Proposes and waits for scores until the stage is over.</summary>
    /// <param name="advance">Scores something, or waits a little for others who do.</param>
    /// <param name="generationDone">Called after each generation.</param>
    /// <param name="stop">Ends it.</param>
    /// <exception cref="OperationCanceledException">It was stopped.</exception>
    /// <exception cref="RunException">Too many candidates have failed.</exception>
    internal void Run(Action advance, Action generationDone, CancellationToken stop)
    {
        while (true)
        {
            stop.ThrowIfCancellationRequested();
            var generations = Generations(store.Read(stage.Name));
            if (generations is [.., var last] && !last.All(IsDone))
            {
                while (!Look())
                {
                    advance();
                    stop.ThrowIfCancellationRequested();
                }
                generationDone();
                continue;
            }
            if (stage.Propose(generations, stop) is not { } proposals)
                return;
            if (proposals.Count == 0)
                throw new InvalidOperationException($"stage {stage.Name} proposes a generation without candidates");
            store.Add(stage.Name, generations.Count, proposals);
        }
    }

    // Says what is new, and whether the generation is complete.
    private bool Look()
    {
        var candidates = store.Read(stage.Name);
        foreach (var candidate in candidates)
        {
            var before = known.GetValueOrDefault(candidate.Id);
            if (IsDone(candidate) && before.State is not (CandidateState.Scored or CandidateState.Failed))
                report(new CandidateDone(candidate));
            else if (
                candidate is { State: CandidateState.Waiting, Error: not null }
                && before != (CandidateState.Waiting, candidate.Attempts)
            )
                report(new CandidateRetried(candidate));
            known[candidate.Id] = (candidate.State, candidate.Attempts);
        }
        Candidate[] failed = [.. candidates.Where(one => one.State == CandidateState.Failed)];
        if (failed.Length > context.Recipe.FailuresAllowed * Math.Max(LeastForShare, candidates.Count))
            throw new RunException(
                $"stage {stage.Name}: {failed.Length} of {candidates.Count} candidates have failed, more than failures_allowed; "
                    + $"the first was {failed[0].Genome}: {failed[0].Error}"
            );
        var current = Generations(candidates)[^1];
        var done = current.Count(IsDone);
        double[] seconds = [.. candidates.Select(one => one.Seconds).OfType<double>()];
        double? each = seconds.Length == 0 ? null : seconds.Average();
        var left = current.Count - done + (stage.Generations - current[0].Generation - 1) * current.Count;
        report(
            new SearchProgress(
                stage.Name,
                current[0].Generation,
                stage.Generations,
                done,
                current.Count,
                failed.Length,
                each,
                each is { } mean && left is { } count ? TimeSpan.FromSeconds(mean * Math.Max(0, count) / workers) : null
            )
            {
                Best = [.. NetworkRanking.Of(candidates).Take(Shown).Select(one => one.Candidate!)],
            }
        );
        return done == current.Count;
    }

    private static IReadOnlyList<IReadOnlyList<Candidate>> Generations(IReadOnlyList<Candidate> candidates) =>
        [
            .. candidates
                .GroupBy(one => one.Generation)
                .OrderBy(group => group.Key)
                .Select(group => group.OrderBy(one => one.Position).ToArray()),
        ];

    private static bool IsDone(Candidate candidate) => candidate.State is CandidateState.Scored or CandidateState.Failed;
}
