using System.Runtime.InteropServices;

namespace Tessera.Cli.Shell;

/// <summary>
/// Ctrl-C and a polite kill: the first asks the work to stop in good order, the second ends the process at once. A process that
/// tessera launch has started leaves Ctrl-C, which a terminal sends to all, to the launcher, and listens to that.
/// </summary>
internal sealed class Interruption : IDisposable
{
    private readonly CancellationTokenSource source = new();
    private readonly PosixSignalRegistration[] registrations;

    /// <summary>Listens until it is disposed of.</summary>
    /// <param name="announce">Called at the first signal, on another thread.</param>
    internal Interruption(Action? announce = null)
    {
        var launched = Environment.GetEnvironmentVariable(LaunchedProcesses.Variable) is not null;
        registrations =
        [
            .. new[] { PosixSignal.SIGINT, PosixSignal.SIGTERM }.Select(signal => PosixSignalRegistration.Create(signal, context =>
                {
                    if (launched && signal == PosixSignal.SIGINT)
                    {
                        context.Cancel = true;
                        return;
                    }
                    if (source.IsCancellationRequested)
                    {
                        // What is drawn live hides the cursor.
                        if (!Console.IsOutputRedirected)
                            Console.Out.Write("\e[?25h");
                        return;
                    }
                    context.Cancel = true;
                    announce?.Invoke();
                    source.Cancel();
                })),
        ];
    }

    internal CancellationToken Token => source.Token;

    public void Dispose()
    {
        foreach (var registration in registrations)
            registration.Dispose();
        source.Dispose();
    }
}
