using System.Data.Common;

namespace Tessera.Search.Running;

/// <summary>Prolongs the lease of a candidate while it is being scored, and gives up scoring where somebody else has taken it.</summary>
internal sealed class LeaseKeeper : IDisposable
{
    // Two renewals may be missed.
    private const int RenewalsPerLease = 3;

    private readonly CancellationTokenSource source;
    private readonly Timer timer;
    private volatile bool lost;

    /// <summary>Begins.</summary>
    /// <param name="store">The candidates.</param>
    /// <param name="id">The candidate.</param>
    /// <param name="worker">Who holds it.</param>
    /// <param name="duration">How long the lease holds.</param>
    /// <param name="stop">Ends scoring, too.</param>
    internal LeaseKeeper(ICandidateStore store, long id, string worker, TimeSpan duration, CancellationToken stop)
    {
        source = CancellationTokenSource.CreateLinkedTokenSource(stop);
        var interval = duration / RenewalsPerLease;
        timer = new(_ => Renew(store, id, worker, duration), null, interval, interval);
    }

    /// <summary>Ends scoring: the lease is lost, or the search stops.</summary>
    internal CancellationToken Token => source.Token;

    /// <summary>Whether somebody else has the candidate by now.</summary>
    internal bool Lost => lost;

    private void Renew(ICandidateStore store, long id, string worker, TimeSpan duration)
    {
        try
        {
            if (store.Renew(id, worker, duration))
                return;
        }
        catch (DbException)
        {
            // The database cannot be reached at this moment: the next renewal tries again, and writing the score will tell.
            return;
        }
        lost = true;
        source.Cancel();
    }

    public void Dispose()
    {
        // A renewal that is under way ends before what it uses goes away.
        using (var ended = new ManualResetEvent(false))
            if (timer.Dispose(ended))
                ended.WaitOne();
        source.Dispose();
    }
}
