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

/// <summary>A process did not come, ended, or does not answer any more.</summary>
public sealed class WorkerLostException(string message, int? rank, Exception? inner = null) : DistributedException(message, rank, inner);

/// <summary>Processes were started with something different that has to be the same: another recipe, another version, another number of processes.</summary>
public sealed class WorkerDisagreementException(string message, int rank) : DistributedException(message, rank);
