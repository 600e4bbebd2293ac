namespace Tessera;

/// <summary>
/// What holds for one thread until it is disposed: a <see cref="Scope"/>, a recording of <see cref="Taps"/>, an
/// <see cref="OperationCount"/>, a mode such as <see cref="Torch.NoGrad"/>.
/// </summary>
/// <remarks>
/// A region cannot be held over <c>await</c> or <c>yield return</c>: the code that comes then may run on another thread, where the region
/// does not hold and cannot end. End it before the await, and begin another after it; an analyzer warns where a program does not. Where
/// code goes on on another thread nevertheless, the end of the region throws. The first thread, which has gone on to other work, is then as
/// it was before the region. Where code happens to go on on the same thread, the region holds again and ends as usual: that cannot be told
/// from a thread that has waited for a task and run it meanwhile.
/// </remarks>
public abstract class ThreadRegion : IDisposable
{
    // Flows with asynchronous code, as the fields of a thread do not: when a thread leaves the code that began a region, its context
    // changes, and the region is suspended there. A thread that waits for a task and runs it meanwhile comes back to its regions.
    private static readonly AsyncLocal<ThreadRegion?> innermost = new(ContextChanged);

    private readonly string name;
    private readonly Thread thread = Thread.CurrentThread;
    private ThreadRegion? outer;
    private bool followed;
    private bool suspended;
    private bool ended;

    /// <param name="name">Its name in messages, with an article.</param>
    private protected ThreadRegion(string name) => this.name = name;

    /// <summary>Begins a region in which code of others runs: it may await.</summary>
    private protected void Begin()
    {
        Enter();
        followed = true;
        outer = innermost.Value;
        innermost.Value = this;
    }

    /// <summary>Lets the region hold on this thread.</summary>
    private protected abstract void Enter();

    /// <summary>Sets this thread back to what it was when it entered.</summary>
    private protected abstract void Leave();

    /// <summary>Frees what the region owns.</summary>
    private protected virtual void Free() { }

    /// <summary>Whether no region of its kind inside of it is open.</summary>
    private protected virtual bool IsInnermost => true;

    /// <summary>Refuses what only the thread of the region may do.</summary>
    /// <param name="what">What the region must do there.</param>
    /// <exception cref="InvalidOperationException">This is another thread, or another piece of asynchronous code.</exception>
    private protected void CheckThread(string what)
    {
        if (thread != Thread.CurrentThread || suspended)
            throw new InvalidOperationException(
                $"{name} cannot be held over await, and must {what} on the thread that began it: end it before the await, and begin "
                    + "another after it"
            );
    }

    /// <summary>Ends the region.</summary>
    /// <exception cref="InvalidOperationException">
    /// On another thread than the one that began it, as happens after an await; or before a region inside of it.
    /// </exception>
    public void Dispose()
    {
        if (ended)
            return;
        CheckThread("end");
        if (!IsInnermost)
            throw new InvalidOperationException(
                $"{name} must end after those inside of it: regions end the innermost first, and cannot be held over yield return"
            );
        ended = true;
        Leave();
        if (followed)
        {
            var next = innermost.Value;
            while (next is { ended: true })
                next = next.outer;
            innermost.Value = next;
        }
        Free();
    }

    // The thread goes from one piece of asynchronous code to another: regions of the one are suspended, those of the other hold again.
    private static void ContextChanged(AsyncLocalValueChangedArgs<ThreadRegion?> change)
    {
        if (!change.ThreadContextChanged)
            return;
        var entered = OfThisThread(change.CurrentValue);
        foreach (var region in OfThisThread(change.PreviousValue))
            if (!region.suspended && !entered.Contains(region))
            {
                region.Leave();
                region.suspended = true;
            }
        for (var i = entered.Count - 1; i >= 0; i--)
            if (entered[i].suspended)
            {
                entered[i].suspended = false;
                entered[i].Enter();
            }
    }

    private static List<ThreadRegion> OfThisThread(ThreadRegion? region)
    {
        List<ThreadRegion> own = [];
        for (var here = Thread.CurrentThread; region is not null; region = region.outer)
            if (region.thread == here && !region.ended)
                own.Add(region);
        return own;
    }
}
