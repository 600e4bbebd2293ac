namespace Tessera.Search;

/// <summary>
/// The candidates of a search. Many processes may use it at once: readers wait for nobody, every change is whole or not there at all, and
/// a candidate is leased to one worker at a time.
/// </summary>
public interface ICandidateStore : IDisposable
{
    /// <summary>Candidates by stage, generation and place.</summary>
    /// <param name="stage">Name of the stage; null for all.</param>
    IReadOnlyList<Candidate> Read(string? stage = null);

    /// <summary>Adds a generation as a whole. One that is there already is left as it is if it is the same.</summary>
    /// <param name="stage">Name of the stage.</param>
    /// <param name="generation">Number of the generation.</param>
    /// <param name="proposals">Its networks in their order.</param>
    /// <exception cref="InvalidOperationException">The generation is there with other networks.</exception>
    void Add(string stage, int generation, IReadOnlyList<Proposal> proposals);

    /// <summary>Takes the next candidate of a stage that waits, or whose lease has run out.</summary>
    /// <param name="stage">Name of the stage.</param>
    /// <param name="worker">Who takes it.</param>
    /// <param name="duration">How long the lease holds without being renewed.</param>
    /// <param name="attempts">How often a candidate may be begun; one that was begun as often and not completed fails.</param>
    /// <returns>The candidate; null where none is to be had now.</returns>
    Candidate? Lease(string stage, string worker, TimeSpan duration, int attempts);

    /// <summary>Prolongs a lease.</summary>
    /// <returns>Whether the worker still holds it.</returns>
    bool Renew(long id, string worker, TimeSpan duration);

    /// <summary>Gives a candidate back without counting the attempt, as when a worker is stopped.</summary>
    void Release(long id, string worker);

    /// <summary>Writes the score of a candidate that the worker holds.</summary>
    /// <returns>Whether the worker still held it; otherwise nothing has changed.</returns>
    bool Complete(long id, string worker, CandidateScore score, double seconds);

    /// <summary>Writes that scoring went wrong: it is tried again, unless it was begun as often as it may.</summary>
    /// <returns>Whether the worker still held it; otherwise nothing has changed.</returns>
    bool Fail(long id, string worker, string error, int attempts);
}
