namespace Tessera;

/// <summary>Work that one thread at a time may do on an object: a second one is refused instead of making both wrong.</summary>
/// <param name="refusal">Of a second thread: what is under way, and what to do instead.</param>
internal sealed class Exclusive(string refusal)
{
    private int entered;

    /// <summary>Begins the work; it ends when the result is disposed.</summary>
    /// <exception cref="InvalidOperationException">It is under way already.</exception>
    internal Region Enter() =>
        Interlocked.CompareExchange(ref entered, 1, 0) == 0 ? new(this) : throw new InvalidOperationException(refusal);

    /// <summary>The work under way.</summary>
    internal readonly struct Region : IDisposable
    {
        private readonly Exclusive owner;

        internal Region(Exclusive owner) => this.owner = owner;

        /// <summary>Ends it.</summary>
        public void Dispose() => Volatile.Write(ref owner.entered, 0);
    }
}
