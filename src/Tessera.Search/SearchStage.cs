using Tessera.Training.Experiments;

namespace Tessera.Search;

/// <summary>A part of a search that is done before the next one begins.</summary>
/// <param name="Name">Letters, digits, _ and -: the name of its folder below the search's, and of its candidates in the database.</param>
public abstract record SearchStage(string Name);

/// <summary>A training: a run of its own, which stops and goes on like any other.</summary>
/// <param name="Name">Name of the stage.</param>
/// <param name="Recipe">Made when the stage begins, from what the stages before have found.</param>
public sealed record TrainingStage(string Name, Func<Recipe> Recipe) : SearchStage(Name);

/// <summary>Candidates that are proposed generation by generation, and scored.</summary>
/// <param name="Name">Name of the stage.</param>
public abstract record CandidateStage(string Name) : SearchStage(Name)
{
    /// <summary>Generations in all, for progress and time left; null where it is open.</summary>
    public abstract int? Generations { get; }

    /// <summary>
    /// The next generation: a function of those before and of the search's seed alone, so that resuming and the number of workers change
    /// nothing. Genomes that were proposed before in this stage are not proposed again.
    /// </summary>
    /// <param name="before">All generations so far, each complete and in its order; failed candidates have no score.</param>
    /// <param name="stop">Gives up.</param>
    /// <returns>The networks to be scored; null where the stage is over.</returns>
    public abstract IReadOnlyList<Proposal>? Propose(IReadOnlyList<IReadOnlyList<Candidate>> before, CancellationToken stop);

    /// <summary>Opens what scoring needs: weights and data. Every worker has its own, on the thread that scores.</summary>
    public abstract CandidateScorer CreateScorer();
}

/// <summary>Scores candidates of a stage, one at a time.</summary>
public abstract class CandidateScorer : IDisposable
{
    /// <summary>The score of a network: a function of genome and seed alone, whatever was scored before.</summary>
    /// <param name="genome">The network.</param>
    /// <param name="seed">Of everything that is drawn.</param>
    /// <param name="stop">Gives up; what was computed is lost.</param>
    public abstract CandidateScore Score(string genome, ulong seed, CancellationToken stop);

    /// <summary>Closes what the scorer has opened.</summary>
    public virtual void Dispose() => GC.SuppressFinalize(this);
}
