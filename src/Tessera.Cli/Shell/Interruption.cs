using System.Runtime.InteropServices;

namespace Tessera.Cli.Shell;

/// <summary>
/// Ctrl-C, a polite kill and the end of the terminal: the first asks the work to stop in good order. A second Ctrl-C or kill ends the
/// process at once; the end of a terminal is told several times, by the shell and by the system, and never does. A process that tessera
/// launch has started leaves Ctrl-C and the end of the terminal, which reach all, to the launcher, and listens to that.
/// </summary>
internal sealed class Interruption : IDisposable
{
    private readonly CancellationTokenSource source = new();
    private readonly PosixSignalRegistration[] registrations;
    private readonly Action? announce;
    private int demands;

    /// <summary>Listens until it is disposed of.</summary>
    /// <param name="announce">Called at the first signal, on another thread.</param>
    internal Interruption(Action? announce = null)
    {
        this.announce = announce;
        var launched = Environment.GetEnvironmentVariable(LaunchedProcesses.Variable) is not null;
        registrations =
        [
            .. new[] { PosixSignal.SIGINT, PosixSignal.SIGTERM, PosixSignal.SIGHUP }.Select(signal =>
                PosixSignalRegistration.Create(signal, context =>
                {
                    if (launched && signal != PosixSignal.SIGTERM)
                        context.Cancel = true;
                    else
                        Handle(context);
                })
            ),
        ];
    }

    private void Handle(PosixSignalContext context)
    {
        if (context.Signal != PosixSignal.SIGHUP && Interlocked.Increment(ref demands) > 1)
        {
            // What is drawn live hides the cursor.
            if (!Console.IsOutputRedirected)
                Console.Out.Write("\e[?25h");
            return;
        }
        context.Cancel = true;
        if (source.IsCancellationRequested)
            return;
        source.Cancel();
        announce?.Invoke();
    }

    internal CancellationToken Token => source.Token;

    public void Dispose()
    {
        foreach (var registration in registrations)
            registration.Dispose();
        source.Dispose();
    }
}
