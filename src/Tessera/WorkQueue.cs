using System.Collections.Concurrent;

namespace Tessera.Hosting;

/// <summary>
/// Threads of its own that do work for any number of callers, in the order in which it comes. The engine keeps helpers and memory for every
/// thread that calls it, so a few threads that stay are better for it than all those of a thread pool.
/// </summary>
internal sealed class WorkQueue : IDisposable
{
    private readonly BlockingCollection<Job> waiting;
    private readonly Thread[] threads;
    private int ended;

    /// <summary>Starts the threads.</summary>
    /// <param name="name">What they are called.</param>
    /// <param name="count">How many.</param>
    /// <param name="limit">How much work may wait; null for any.</param>
    internal WorkQueue(string name, int count, int? limit)
    {
        waiting = limit is { } most ? new(most) : [];
        threads = [.. Enumerable.Range(1, count).Select(number => new Thread(Work) { Name = $"{name} {number}", IsBackground = true })];
        foreach (var thread in threads)
            thread.Start();
    }

    /// <summary>Has work done.</summary>
    /// <param name="work">The work.</param>
    /// <param name="cancellation">Ends waiting at once; work that has begun looks at it by itself.</param>
    /// <returns>The result to come; null where as much is waiting as may.</returns>
    /// <exception cref="ObjectDisposedException">The queue has ended.</exception>
    internal Task<T>? TryRun<T>(Func<T> work, CancellationToken cancellation)
    {
        ObjectDisposedException.ThrowIf(HasEnded, typeof(Predictor));
        if (cancellation.IsCancellationRequested)
            return Task.FromCanceled<T>(cancellation);
        var job = new Job<T>(work, cancellation);
        try
        {
            if (!waiting.TryAdd(job))
            {
                job.Forget();
                return null;
            }
        }
        catch (InvalidOperationException)
        {
            // It was ended meanwhile.
            throw new ObjectDisposedException(nameof(Predictor));
        }
        return job.Result;
    }

    private bool HasEnded => Volatile.Read(ref ended) != 0;

    private void Work()
    {
        foreach (var job in waiting.GetConsumingEnumerable())
            if (HasEnded)
                job.Refuse();
            else
                job.Do();
    }

    /// <summary>Refuses what is waiting and waits for what has begun.</summary>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref ended, 1) != 0)
            return;
        waiting.CompleteAdding();
        foreach (var thread in threads)
            thread.Join();
        waiting.Dispose();
    }

    private abstract class Job
    {
        internal abstract void Do();

        internal abstract void Refuse();
    }

    private sealed class Job<T> : Job
    {
        private readonly TaskCompletionSource<T> source = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly Func<T> work;
        private readonly CancellationToken cancellation;
        private readonly CancellationTokenRegistration registration;
        private int begun;

        internal Job(Func<T> work, CancellationToken cancellation)
        {
            (this.work, this.cancellation) = (work, cancellation);
            registration = cancellation.UnsafeRegister(static job => ((Job<T>)job!).Cancel(), this);
        }

        internal Task<T> Result => source.Task;

        private bool Begins() => Interlocked.Exchange(ref begun, 1) == 0;

        // It was never taken in.
        internal void Forget() => registration.Dispose();

        private void Cancel()
        {
            if (Begins())
                source.SetCanceled(cancellation);
        }

        internal override void Refuse()
        {
            if (Begins())
                source.SetException(new ObjectDisposedException(nameof(Predictor)));
            registration.Dispose();
        }

        internal override void Do()
        {
            if (!Begins())
                return;
            try
            {
                source.SetResult(work());
            }
            catch (OperationCanceledException) when (cancellation.IsCancellationRequested)
            {
                source.SetCanceled(cancellation);
            }
            // Whatever it is, it is the caller's.
            catch (Exception error)
            {
                source.SetException(error);
            }
            registration.Dispose();
        }
    }
}
