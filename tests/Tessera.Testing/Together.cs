namespace Tessera.Testing;

/// <summary>Threads that do the same at the same moment, again and again.</summary>
public static class Together
{
    /// <summary>Runs an action on several threads; all begin each round together. An error on one of them becomes the caller's.</summary>
    /// <param name="threads">How many.</param>
    /// <param name="rounds">How often each runs the action.</param>
    /// <param name="action">Told the number of the thread and of the round.</param>
    public static void Run(int threads, int rounds, Action<int, int> action)
    {
        using var start = new Barrier(threads);
        var errors = new Exception?[threads];
        Thread[] started =
        [
            .. Enumerable
                .Range(0, threads)
                .Select(number =>
                {
                    var thread = new Thread(() =>
                    {
                        for (var round = 0; round < rounds; round++)
                        {
                            start.SignalAndWait();
                            try
                            {
                                if (errors[number] is null)
                                    action(number, round);
                            }
                            catch (Exception error)
                            {
                                errors[number] = error;
                            }
                        }
                    });
                    thread.Start();
                    return thread;
                }),
        ];
        foreach (var thread in started)
            thread.Join();
        if (errors.OfType<Exception>().FirstOrDefault() is { } first)
            throw new InvalidOperationException($"on one of {threads} threads: {first.Message}", first);
    }
}
