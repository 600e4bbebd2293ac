namespace Tessera.Distributed;

/// <summary>Processes that train together cannot go on; the message is one line that names the rank at fault.</summary>
public class DistributedException : Exception
{
    /// <summary>An error of a rank.</summary>
    /// <param name="message">One line.</param>
    /// <param name="rank">Rank at fault; null where that is not known.</param>
    /// <param name="inner">The cause.</param>
    public DistributedException(string message, int? rank = null, Exception? inner = null)
        : base(message, inner) => Rank = rank;

    /// <summary>Rank at fault; null where that is not known.</summary>
    public int? Rank { get; }
}

/// <summary>A process did not come, has ended, or no longer answers.</summary>
public sealed class WorkerLostException(string message, int? rank, Exception? inner = null) : DistributedException(message, rank, inner);

/// <summary>
/// Processes were started with different recipes, versions or numbers of processes, all of which must be the same.
/// </summary>
public sealed class WorkerDisagreementException(string message, int rank) : DistributedException(message, rank);
