using System.Data.Common;
using System.Diagnostics;
using Tessera.Search.Storage;
using Tessera.Training;

namespace Tessera.Search.Running;

/// <summary>Scores candidates of a stage, one after the other, on the thread that calls it.</summary>
public sealed class SearchWorker : IDisposable
{
    private static readonly TimeSpan ServedLease = TimeSpan.FromMinutes(1);

    // How often a worker without work asks for some.
    private static readonly TimeSpan Patience = TimeSpan.FromMilliseconds(100);

    private readonly ICandidateStore store;
    private readonly string stage;
    private readonly string name;
    private readonly int attempts;
    private readonly TimeSpan lease;
    private readonly CandidateScorer scorer;
    private readonly int threads;

    /// <summary>Opens what scoring needs.</summary>
    /// <param name="context">The search.</param>
    /// <param name="store">Its candidates.</param>
    /// <param name="stage">The stage.</param>
    /// <param name="name">Of the worker, which nobody else has.</param>
    /// <param name="lease">How long a lease holds without being renewed.</param>
    internal SearchWorker(SearchContext context, ICandidateStore store, CandidateStage stage, string name, TimeSpan lease)
    {
        (this.store, this.stage, this.name, this.lease) = (store, stage.Name, name, lease);
        attempts = context.Recipe.Attempts;
        // Sums come out alike only if they are divided alike, whoever computes them.
        threads = Torch.Threads;
        Torch.Threads = context.Recipe.Threads;
        scorer = stage.CreateScorer();
    }

    /// <summary>Works for a search that another process runs, until it is told to stop.</summary>
    /// <param name="folder">The search's folder.</param>
    /// <param name="stage">Name of the stage.</param>
    /// <param name="name">Of the worker, which nobody else has.</param>
    /// <param name="stop">Gives the candidate at hand back and ends.</param>
    /// <exception cref="RunException">There is no such search or stage.</exception>
    public static void Serve(string folder, string stage, string name, CancellationToken stop)
    {
        using var search = SearchRun.Open(folder);
        using var worker = new SearchWorker(search.Context, search.Store, search.CandidateStage(stage), name, ServedLease);
        while (!stop.IsCancellationRequested)
            if (!worker.ScoreNext(stop))
                stop.WaitHandle.WaitOne(Patience);
    }

    /// <summary>Scores the next candidate that is to be had.</summary>
    /// <param name="stop">Gives it back.</param>
    /// <returns>Whether there was one.</returns>
    internal bool ScoreNext(CancellationToken stop)
    {
        if (stop.IsCancellationRequested || store.Lease(stage, name, lease, attempts) is not { } candidate)
            return false;
        var started = Stopwatch.GetTimestamp();
        using var keeper = new LeaseKeeper(store, candidate.Id, name, lease, stop);
        try
        {
            var score = Score(scorer, candidate.Genome, candidate.Seed, keeper.Token);
            if (double.IsFinite(score.Value))
                store.Complete(candidate.Id, name, score, Stopwatch.GetElapsedTime(started).TotalSeconds);
            else
                store.Fail(candidate.Id, name, FormattableString.Invariant($"the score is not finite: {score.Value}"), attempts);
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            store.Release(candidate.Id, name);
        }
        catch (OperationCanceledException) when (keeper.Lost)
        {
            // Somebody else scores it by now.
        }
        catch (Exception error) when (error is not DbException)
        {
            // One network in many that cannot be scored must not end the search; how many may fail, the recipe says.
            store.Fail(candidate.Id, name, $"{error.Message.ReplaceLineEndings(" ")} ({error.GetType().Name})", attempts);
            Torch.Collect();
        }
        return true;
    }

    /// <summary>The score of a network, the same in every process: what is drawn from the engine's generator comes from the seed.</summary>
    /// <param name="scorer">Of the stage.</param>
    /// <param name="genome">The network.</param>
    /// <param name="seed">Of the candidate.</param>
    /// <param name="stop">Gives up.</param>
    internal static CandidateScore Score(CandidateScorer scorer, string genome, ulong seed, CancellationToken stop)
    {
        using var scope = new Scope();
        Torch.Seed(seed);
        return scorer.Score(genome, seed, stop);
    }

    /// <summary>Closes what was opened.</summary>
    public void Dispose()
    {
        scorer.Dispose();
        Torch.Threads = threads;
    }
}
