using Tessera.Search.Storage;
using Tessera.Training;

namespace Tessera.Search.Running;

/// <summary>A network that was scored once more, beside what the database says of it.</summary>
/// <param name="Stage">The stage that scored it.</param>
/// <param name="Genome">The network.</param>
/// <param name="Score">Computed now.</param>
/// <param name="Before">The candidate; null where the search has none of the genome.</param>
public sealed record Rescoring(string Stage, string Genome, CandidateScore Score, Candidate? Before)
{
    /// <summary>Whether the score is the database's to the last bit; null where that has none.</summary>
    public bool? IsEqual =>
        Before?.Score is { } before ? BitConverter.DoubleToInt64Bits(before) == BitConverter.DoubleToInt64Bits(Score.Value) : null;

    /// <summary>Scores a network as a worker does.</summary>
    /// <param name="search">The search.</param>
    /// <param name="genome">The network.</param>
    /// <param name="stage">The stage; null for the one that decides.</param>
    /// <param name="stop">Gives up.</param>
    /// <exception cref="RunException">The search has no such stage, or none that decides.</exception>
    public static Rescoring Of(SearchRun search, string genome, string? stage = null, CancellationToken stop = default)
    {
        var name = stage
            ?? search.Recipe.Search.RankedStage
            ?? throw new RunException($"{search.Folder}: the search has no stage of candidates that decides: name one with --stage");
        var scored = search.CandidateStage(name);
        var before = search.Store.Read(name).FirstOrDefault(one => one.Genome == genome);
        var threads = Torch.Threads;
        Torch.Threads = search.Recipe.Threads;
        try
        {
            using var scorer = scored.CreateScorer();
            return new(name, genome, SearchWorker.Score(scorer, genome, CandidateSeed.Of(genome, search.Recipe.Seed), stop), before);
        }
        catch (FormatException error)
        {
            throw new RunException($"{genome} is no network of the search in {search.Folder}: {error.Message}");
        }
        finally
        {
            Torch.Threads = threads;
        }
    }
}
