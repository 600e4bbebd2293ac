using System.CommandLine;
using Tessera.Cli.Shell;
using Tessera.Search.Running;

namespace Tessera.Cli.Commands;

/// <summary><c>tessera search work</c>: a worker of a search that another process runs.</summary>
internal static class SearchWorkCommand
{
    // A candidate that does not end by then is left to its lease.
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(20);

    private static readonly Argument<string> Stage = new("stage") { HelpName = "stage", Description = "Stage of candidates." };

    private static readonly Option<string?> Worker = new("--worker")
    {
        Description = "Name of the worker, which nobody else may have; machine and process by default.",
        HelpName = "name",
    };

    internal static Command Create()
    {
        var command = new ExampleCommand("work", "Score candidates for a search that another process runs, until it ends.")
        {
            Hidden = true,
            Examples = [("tessera search work runs/mine evolution", "help a search whose candidates are in PostgreSQL")],
            Arguments = { SearchCommand.Folder, Stage },
            Options = { Worker },
        };
        command.SetAction(Run);
        return command;
    }

    private static void Run(ParseResult parsed)
    {
        LaunchedProcesses.EndWithLauncher();
        using var interruption = new Interruption();
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(interruption.Token);
        // Not disposed of: the thread that waits for it may outlive the work.
        var ended = new ManualResetEventSlim();
        if (LaunchedProcesses.IsOne)
            new Thread(() => EndWithInput(stop, ended)) { IsBackground = true }.Start();
        try
        {
            SearchWorker.Serve(
                parsed.GetRequiredValue(SearchCommand.Folder),
                parsed.GetRequiredValue(Stage),
                parsed.GetValue(Worker) ?? FormattableString.Invariant($"{Environment.MachineName}-{Environment.ProcessId}"),
                stop.Token
            );
        }
        finally
        {
            ended.Set();
        }
    }

    // The search closes it when the stage is over, and the system when the search was killed.
    private static void EndWithInput(CancellationTokenSource stop, ManualResetEventSlim ended)
    {
        while (Console.In.Read() >= 0) { }
        try
        {
            stop.Cancel();
        }
        catch (ObjectDisposedException)
        {
            // The work has ended by itself.
            return;
        }
        if (!ended.Wait(Grace))
            Environment.Exit(ExitCode.Interrupted);
    }
}
