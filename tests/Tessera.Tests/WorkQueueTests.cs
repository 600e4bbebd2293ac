using Tessera.Testing;

namespace Tessera.Hosting.Tests;

public class WorkQueueTests
{
    // Work that has begun and ends when the test wants it to.
    private static int Passed(Gate gate, int result)
    {
        gate.Pass();
        return result;
    }

    [Fact]
    public async Task Work_is_done_in_order_by_threads_of_its_own()
    {
        using var queue = new WorkQueue("test", 1, null);
        List<int> order = [];
        HashSet<int> threads = [];
        var all = Enumerable
            .Range(0, 100)
            .Select(i =>
                queue.TryRun(
                    () =>
                    {
                        order.Add(i);
                        threads.Add(Environment.CurrentManagedThreadId);
                        Assert.False(Thread.CurrentThread.IsThreadPoolThread);
                        return 2 * i;
                    },
                    default
                )!
            );
        Assert.Equal(Enumerable.Range(0, 100).Select(i => 2 * i), await Task.WhenAll(all));
        Assert.Equal(Enumerable.Range(0, 100), order);
        Assert.Single(threads);
    }

    [Fact]
    public async Task As_many_run_at_once_as_there_are_threads()
    {
        using var queue = new WorkQueue("test", 3, null);
        using var together = new Barrier(3);
        // Each waits for the two others: with fewer threads, none would end.
        var all = Enumerable
            .Range(0, 3)
            .Select(_ => queue.TryRun(() => together.SignalAndWait(TimeSpan.FromSeconds(60)), default)!)
            .ToArray();
        Assert.All(await Task.WhenAll(all), Assert.True);
    }

    [Fact]
    public async Task Cancelled_work_that_waits_ends_at_once_and_is_never_done()
    {
        using var queue = new WorkQueue("test", 1, null);
        using var gate = new Gate();
        using var source = new CancellationTokenSource();
        var first = queue.TryRun(() => Passed(gate, 1), source.Token)!;
        var done = false;
        var second = queue.TryRun(() => done = true, source.Token)!;
        var third = queue.TryRun(() => 3, default)!;
        gate.WaitForOne();
        await source.CancelAsync();
        var error = await Assert.ThrowsAsync<TaskCanceledException>(() => second);
        Assert.Equal(source.Token, error.CancellationToken);
        Assert.False(first.IsCompleted);
        gate.Open();
        // What has begun looks at its token by itself, and this did not.
        Assert.Equal((1, 3), (await first, await third));
        Assert.False(done);
        Assert.True(queue.TryRun(() => 4, source.Token)!.IsCanceled);
    }

    [Fact]
    public async Task No_more_may_wait_than_the_limit()
    {
        using var queue = new WorkQueue("test", 1, 2);
        using var gate = new Gate();
        var first = queue.TryRun(() => Passed(gate, 0), default)!;
        gate.WaitForOne();
        Task<int>?[] others = [.. Enumerable.Range(1, 3).Select(i => queue.TryRun(() => i, default))];
        Assert.Null(others[2]);
        gate.Open();
        Assert.Equal(Enumerable.Range(0, 3), await Task.WhenAll(first, others[0]!, others[1]!));
        Assert.Equal(5, await queue.TryRun(() => 5, default)!);
    }

    [Fact]
    public async Task Errors_of_the_work_are_the_callers()
    {
        using var queue = new WorkQueue("test", 1, null);
        var failed = queue.TryRun<int>(() => throw new InvalidDataException("broken"), default)!;
        Assert.Equal("broken", (await Assert.ThrowsAsync<InvalidDataException>(() => failed)).Message);
        Assert.Equal(1, await queue.TryRun(() => 1, default)!);
    }

    [Fact]
    public async Task What_has_begun_is_finished_at_the_end_and_what_waits_is_refused()
    {
        var queue = new WorkQueue("test", 1, null);
        using var gate = new Gate();
        var first = queue.TryRun(() => Passed(gate, 1), default)!;
        var second = queue.TryRun(() => 2, default)!;
        gate.WaitForOne();
        var ending = Task.Run(queue.Dispose);
        // From when the end has begun nothing is taken in; until then it may be.
        while (!ending.IsCompleted)
        {
            try
            {
                _ = queue.TryRun(() => 3, default);
            }
            catch (ObjectDisposedException)
            {
                break;
            }
        }
        gate.Open();
        await ending;
        Assert.Equal(1, await first);
        await Assert.ThrowsAsync<ObjectDisposedException>(() => second);
        await Assert.ThrowsAsync<ObjectDisposedException>(() => queue.TryRun(() => 3, default)!);
        queue.Dispose();
    }
}
