using System.Collections;

namespace Tessera.Data.Loading;

/// <summary>
/// A sequence each of whose enumerations belongs to one thread at a time. A second thread that steps at the same moment would otherwise
/// be told that the sequence has ended.
/// </summary>
internal sealed class OneAtATime<T>(IEnumerable<T> items) : IEnumerable<T>
{
    public IEnumerator<T> GetEnumerator() => new Steps(items.GetEnumerator());

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    private sealed class Steps(IEnumerator<T> steps) : IEnumerator<T>
    {
        private readonly Exclusive stepping = new(
            "another thread takes a batch from this enumeration: one thread at a time must, or each must enumerate an epoch of its own"
        );

        public T Current => steps.Current;

        object? IEnumerator.Current => Current;

        public bool MoveNext()
        {
            using var alone = stepping.Enter();
            return steps.MoveNext();
        }

        public void Reset() => throw new NotSupportedException("batches cannot be taken again: enumerate the epoch anew");

        public void Dispose()
        {
            using var alone = stepping.Enter();
            steps.Dispose();
        }
    }
}
