using Tessera.Native;

namespace Tessera;

/// <summary>
/// Threads of one operator. The engine keeps the number per thread and gives a new thread the last one that any had set, so a thread that
/// computed before would stay with an old number: every thread of ours takes the process's number before it computes.
/// </summary>
internal static class EngineThreads
{
    [ThreadStatic]
    private static int applied;

    // The engine's own default knows of affinity and OMP_NUM_THREADS, and nothing of the quota of a control group.
    private static int chosen = ThreadLimit.Here.Count;

    /// <summary>The process's number.</summary>
    internal static int Count
    {
        get
        {
            Apply();
            return Imports.Threads();
        }
        set
        {
            Dispatcher.Check(Imports.SetThreads(value));
            applied = value;
            Volatile.Write(ref chosen, value);
        }
    }

    /// <summary>Brings the process's number to this thread.</summary>
    internal static void Apply()
    {
        var count = Volatile.Read(ref chosen);
        if (applied == count)
            return;
        Dispatcher.Check(Imports.SetThreads(count));
        applied = count;
    }
}
