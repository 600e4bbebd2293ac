using System.Runtime.ExceptionServices;

namespace Tessera.Data.Loading;

/// <summary>
/// Workers that make numbered items ahead of a consumer who takes them in order. They stay at most a fixed number of items
/// ahead; an exception in a worker reaches the consumer in the place of its item.
/// </summary>
internal sealed class Prefetcher<T> : IDisposable
{
    private readonly object gate = new();
    private readonly Dictionary<int, (T? Item, Exception? Failure)> made = [];
    private readonly Thread[] threads;
    private readonly int end;
    private readonly int ahead;
    private int claimed;
    private int taken;
    private bool stopped;

    /// <summary>Starts the workers.</summary>
    /// <param name="start">First item.</param>
    /// <param name="end">Behind the last item.</param>
    /// <param name="workers">Threads.</param>
    /// <param name="ahead">Most items made or in the making that were not taken yet.</param>
    /// <param name="worker">Makes the function by which one thread makes items.</param>
    internal Prefetcher(int start, int end, int workers, int ahead, Func<Func<int, T>> worker)
    {
        (this.end, this.ahead) = (end, Math.Max(ahead, workers));
        claimed = taken = start;
        threads = new Thread[Math.Min(workers, Math.Max(end - start, 0))];
        for (var i = 0; i < threads.Length; i++)
        {
            threads[i] = new Thread(() => Work(worker)) { IsBackground = true, Name = $"loader {i}" };
            threads[i].Start();
        }
    }

    /// <summary>Waits for the next item.</summary>
    /// <param name="stop">Ends the wait.</param>
    /// <exception cref="OperationCanceledException">It was stopped.</exception>
    internal T Take(CancellationToken stop = default)
    {
        (T? Item, Exception? Failure) result;
        using var wake = stop.Register(Wake);
        lock (gate)
        {
            stop.ThrowIfCancellationRequested();
            while (!made.Remove(taken, out result))
            {
                Monitor.Wait(gate);
                stop.ThrowIfCancellationRequested();
            }
            taken++;
            Monitor.PulseAll(gate);
        }
        if (result.Failure is { } failure)
            ExceptionDispatchInfo.Throw(failure);
        return result.Item!;
    }

    private void Wake()
    {
        lock (gate)
            Monitor.PulseAll(gate);
    }

    private void Work(Func<Func<int, T>> worker)
    {
        Func<int, T>? make = null;
        while (Claim() is { } number)
        {
            (T? Item, Exception? Failure) result;
            try
            {
                make ??= worker();
                result = (make(number), null);
            }
            catch (Exception error)
            {
                result = (default, error);
            }
            lock (gate)
            {
                made.Add(number, result);
                Monitor.PulseAll(gate);
            }
        }
    }

    private int? Claim()
    {
        lock (gate)
        {
            while (!stopped && claimed < end && claimed >= taken + ahead)
                Monitor.Wait(gate);
            return stopped || claimed >= end ? null : claimed++;
        }
    }

    /// <summary>Stops the workers and waits until the items in the making are done.</summary>
    public void Dispose()
    {
        lock (gate)
        {
            stopped = true;
            Monitor.PulseAll(gate);
        }
        foreach (var thread in threads)
            thread.Join();
    }
}
