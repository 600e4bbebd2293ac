using Tessera.Training;

namespace Tessera.Search.Running;

/// <summary>Something that happened in a search, for whoever watches.</summary>
public abstract record SearchEvent;

/// <summary>A stage begins, or goes on.</summary>
/// <param name="Stage">Name of the stage; <c>winner/NAME</c> for a training of the winner from scratch.</param>
/// <param name="Number">From 1.</param>
/// <param name="Stages">In all.</param>
public sealed record StageBegun(string Stage, int Number, int Stages) : SearchEvent;

/// <summary>Something happened in the training of a stage.</summary>
/// <param name="Stage">Name of the stage.</param>
/// <param name="Event">What the training says.</param>
public sealed record StageTrains(string Stage, TrainingEvent Event) : SearchEvent;

/// <summary>A candidate has got its score, or has failed for good.</summary>
/// <param name="Candidate">As the database has it.</param>
public sealed record CandidateDone(Candidate Candidate) : SearchEvent;

/// <summary>Scoring a candidate went wrong and is tried again.</summary>
/// <param name="Candidate">As the database has it.</param>
public sealed record CandidateRetried(Candidate Candidate) : SearchEvent;

/// <summary>How far a stage of candidates is.</summary>
/// <param name="Stage">Name of the stage.</param>
/// <param name="Generation">Number of the generation, from 0.</param>
/// <param name="Generations">In all; null where it is open.</param>
/// <param name="Done">Candidates of the generation that are scored or have failed.</param>
/// <param name="Size">Candidates of the generation.</param>
/// <param name="Failed">Candidates of the stage that have failed.</param>
/// <param name="SecondsPerCandidate">Of a worker, on average; null as long as nothing is scored.</param>
/// <param name="Remaining">Time left for the stage; null where it is not known.</param>
public sealed record SearchProgress(
    string Stage,
    int Generation,
    int? Generations,
    int Done,
    int Size,
    int Failed,
    double? SecondsPerCandidate,
    TimeSpan? Remaining
) : SearchEvent
{
    /// <summary>The best of the stage so far, from the best downwards.</summary>
    public IReadOnlyList<Candidate> Best { get; init; } = [];
}
