namespace Tessera;

/// <summary>The thread that a region holds for. Left on another one, it would change that thread's state and stay on its own.</summary>
/// <param name="region">Its name in the message.</param>
internal readonly struct OwnThread(string region)
{
    private readonly int thread = Environment.CurrentManagedThreadId;

    /// <summary>Looks whether the region ends where it began.</summary>
    /// <param name="innermost">Whether no region of its kind inside of it is open.</param>
    /// <exception cref="InvalidOperationException">It does not.</exception>
    internal void CheckEnd(bool innermost = true)
    {
        if (thread != Environment.CurrentManagedThreadId || !innermost)
            throw new InvalidOperationException($"{region} must end on the thread that began it, the innermost first");
    }
}
