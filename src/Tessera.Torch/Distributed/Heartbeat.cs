using System.Diagnostics;
using System.Globalization;

namespace Tessera.Distributed;

/// <summary>
/// Says that this process lives, and knows who does not. Each process writes a beat now and then, on a thread and a connection of
/// its own; rank 0 compares the beats of all and publishes who has fallen silent; the others notice by themselves when the store,
/// and with it rank 0, does not answer. It ends nobody: a process learns from it whom to blame once an exchange has failed.
/// </summary>
internal sealed class Heartbeat : IDisposable
{
    private const string VerdictKey = "verdict",
        ClaimKey = "verdict-claims";
    private static readonly TimeSpan longestInterval = TimeSpan.FromSeconds(1),
        longestSilence = TimeSpan.FromSeconds(10);

    private readonly WorkerEnvironment environment;
    private readonly string[] names;
    private readonly KeyStore store;
    private readonly Thread thread;
    private readonly TaskCompletionSource<DistributedException> verdict = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TimeSpan interval,
        silence;
    private readonly ManualResetEventSlim stopped = new();
    private readonly (string Beat, long Since)[] heard;
    private long step;
    private long answered = Stopwatch.GetTimestamp();
    private volatile Blame? failure,
        found;

    private sealed record Blame(int Rank, string What);

    /// <summary>Begins to beat.</summary>
    /// <param name="environment">Who this is.</param>
    /// <param name="names">Machine and process of each rank.</param>
    internal Heartbeat(WorkerEnvironment environment, string[] names)
    {
        (this.environment, this.names) = (environment, names);
        interval = Least(longestInterval, environment.Timeout / 10);
        silence = Least(longestSilence, environment.Timeout / 2);
        store = new KeyStore(environment.Address, environment.Port, serves: false, environment.Timeout);
        heard = [.. Enumerable.Repeat(("", Stopwatch.GetTimestamp()), environment.Size)];
        thread = new Thread(Run) { IsBackground = true, Name = "heartbeat" };
        thread.Start();
    }

    private static TimeSpan Least(TimeSpan a, TimeSpan b) => a < b ? a : b;

    /// <summary>Where this process stands, so that others can say who lags.</summary>
    internal long Step
    {
        set => Volatile.Write(ref step, value);
    }

    /// <summary>What is known about why an exchange has failed; waits until somebody is known to be silent.</summary>
    internal DistributedException Explain(Exception cause)
    {
        // Twice the silence after which a process counts as lost, and time for rank 0 to publish it.
        var until = Stopwatch.GetTimestamp() + (long)((2 * silence + 3 * interval).TotalSeconds * Stopwatch.Frequency);
        while (Stopwatch.GetTimestamp() < until)
        {
            if (verdict.Task.Wait(interval))
                return verdict.Task.Result;
            if (environment.Rank != 0 && Stopwatch.GetElapsedTime(Interlocked.Read(ref answered)) > silence)
                return Lost(0, $"does not answer: nothing was heard of it for {Seconds(silence)}", cause);
        }
        return Laggard(cause)
            ?? new DistributedException(
                $"{Me}: an exchange with the other processes failed: {cause.Message.ReplaceLineEndings(" ")}",
                null,
                cause
            );
    }

    // All live, so one of them is busy with something else.
    private DistributedException? Laggard(Exception cause)
    {
        var steps = Task.Run(() =>
            Enumerable
                .Range(0, environment.Size)
                .Select(rank => long.Parse(store.Get(BeatKey(rank), interval).Split(' ')[1], CultureInfo.InvariantCulture))
                .ToArray()
        );
        try
        {
            if (!steps.Wait(silence))
                return null;
        }
        catch (AggregateException)
        {
            return null;
        }
        var own = Volatile.Read(ref step);
        var behind = Array.FindIndex(steps.Result, other => other < own);
        return behind < 0
            ? null
            : Lost(
                behind,
                $"lives, but has not come to step {own} within {Seconds(environment.Timeout)}: it is at step {steps.Result[behind]}",
                cause
            );
    }

    private WorkerLostException Lost(int rank, string what, Exception? cause = null)
    {
        found = new(rank, what);
        return new($"{Named(rank)} {what}; {Me}", rank, cause);
    }

    private string Named(int rank) => $"rank {rank} ({names[rank]})";

    private string Me => $"this is rank {environment.Rank} of {environment.Size}";

    private static string Seconds(TimeSpan time) => string.Create(CultureInfo.InvariantCulture, $"{time.TotalSeconds:0.#} s");

    private static string BeatKey(int rank) => $"beat/{rank}";

    private static string SeenKey(int rank) => $"seen/{rank}";

    private static string DoneKey(int rank) => $"done/{rank}";

    // One for each of those that rank 0 waits for.
    private string[] OfOthers(Func<int, string> key) => [.. Enumerable.Range(1, environment.Size - 1).Select(key)];

    private void Run()
    {
        try
        {
            for (var count = 0L; !stopped.IsSet; count++)
            {
                store.Set(BeatKey(environment.Rank), string.Create(CultureInfo.InvariantCulture, $"{count} {Volatile.Read(ref step)}"));
                if (failure is { } known)
                    Publish(known.Rank, known.What);
                else if (environment.Rank == 0)
                    Listen();
                if (store.Has(VerdictKey))
                {
                    Take(store.Get(VerdictKey, interval));
                    store.Set(SeenKey(environment.Rank), "1");
                    return;
                }
                Interlocked.Exchange(ref answered, Stopwatch.GetTimestamp());
                stopped.Wait(interval);
            }
        }
        catch (TorchException error)
        {
            verdict.TrySetResult(
                environment.Rank == 0
                    ? new DistributedException($"{Me}: the store that it holds failed: {error.Message.ReplaceLineEndings(" ")}", 0, error)
                    : Lost(0, "has ended: its store does not answer any more", error)
            );
        }
    }

    // Rank 0 alone, so that the number of questions grows with that of the processes and not with its square.
    private void Listen()
    {
        for (var rank = 1; rank < environment.Size; rank++)
        {
            var beat = store.Has(BeatKey(rank)) ? store.Get(BeatKey(rank), interval) : "";
            if (beat != heard[rank].Beat)
                heard[rank] = (beat, Stopwatch.GetTimestamp());
            else if (Stopwatch.GetElapsedTime(heard[rank].Since) is var quiet && quiet > silence && !store.Has(DoneKey(rank)))
                Publish(rank, $"does not answer: nothing was heard of it for {Seconds(quiet)}");
        }
    }

    // The first to speak is right: what fails later fails because of it.
    private void Publish(int rank, string message)
    {
        if (store.Add(ClaimKey, 1) == 1)
            store.Set(VerdictKey, $"{rank} {message}");
    }

    private void Take(string text)
    {
        var cut = text.IndexOf(' ', StringComparison.Ordinal);
        verdict.TrySetResult(Lost(int.Parse(text[..cut], CultureInfo.InvariantCulture), text[(cut + 1)..]));
    }

    /// <summary>
    /// Tells the others that this process ends because of an error, unless they know a reason already, and gives them time to hear
    /// it. Where another process is to blame, they hear of that one: whoever finds out first speaks for all.
    /// </summary>
    internal void Fail(string message)
    {
        failure = found ?? new(environment.Rank, $"ended with an error: {message}");
        // The store goes with rank 0: what is in it has to be read before, by whoever is left to be told.
        if (!thread.Join(silence) || environment.Rank != 0 || !verdict.Task.IsCompleted)
            return;
        store.Await(OfOthers(SeenKey), 3 * interval);
    }

    /// <summary>The end in good order: rank 0, whose store the others need, leaves last.</summary>
    internal void Complete()
    {
        stopped.Set();
        if (!thread.Join(silence) || verdict.Task.IsCompleted)
            return;
        store.Set(DoneKey(environment.Rank), "1");
        if (environment.Rank != 0)
            return;
        var came = store.Follow(OfOthers(DoneKey), environment.Timeout).Count();
        if (came < environment.Size - 1)
            throw Lost(came + 1, $"did not come to the end within {Seconds(environment.Timeout)}");
    }

    public void Dispose()
    {
        stopped.Set();
        // It may wait for a store that never answers; it is a background thread and ends with the process then.
        if (thread.Join(interval))
            store.Dispose();
    }
}
