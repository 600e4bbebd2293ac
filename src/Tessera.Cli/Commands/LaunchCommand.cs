using System.CommandLine;
using Tessera.Cli.Shell;

namespace Tessera.Cli.Commands;

/// <summary><c>tessera launch</c>: trains in several processes on this machine.</summary>
internal static class LaunchCommand
{
    private const string Name = "launch",
        Trains = "train";

    private static readonly Option<int> Count = new("-n", "--processes")
    {
        Description = "Number of processes.",
        HelpName = "number",
        Required = true,
    };
    private static readonly Option<int?> Port = new("--port")
    {
        Description = "Port for the rendezvous of the processes; a free port by default.",
        HelpName = "number",
    };
    private static readonly Option<double?> Timeout = new("--timeout")
    {
        Description = "Seconds that a process waits for another before all processes fail; 300 by default.",
        HelpName = "seconds",
    };
    private static readonly Argument<string[]> Line = new("command")
    {
        Description = "The train command with its own arguments, including --json and --quiet.",
        HelpName = "train ...",
        Arity = ArgumentArity.OneOrMore,
    };

    internal static Command Create()
    {
        var command = new ExampleCommand(
            Name,
            "Train in several processes on this machine. Ctrl-C writes one checkpoint and ends all processes."
        )
        {
            Examples =
            [
                ("tessera launch -n 2 train cct/fashion_mnist", "train with half of every batch in each process"),
                ("tessera launch -n 4 train --resume runs/mine", "resume a run with any number of processes"),
                ("tessera launch -n 8 --timeout 60 train my.yaml --set train.device=cuda", "train with one GPU per process"),
            ],
            Arguments = { Line },
            Options = { Count, Port, Timeout },
        };
        command.SetAction(parsed =>
        {
            var (count, port, timeout, line) = (
                parsed.GetValue(Count),
                parsed.GetValue(Port),
                parsed.GetValue(Timeout),
                parsed.GetRequiredValue(Line)
            );
            if (count is < 1 or > 1024)
                throw new UserException($"-n must be 1 to 1024, not {count}");
            if (port is < 1 or > 65534)
                throw new UserException($"--port must be 1 to 65534, not {port}");
            if (timeout is < 1 or > 86400)
                throw new UserException($"--timeout must be 1 to 86400 seconds, not {timeout}");
            if (line[0] != Trains)
                throw new UserException($"launch can only run {Trains}, not {line[0]}");
            return LaunchedProcesses.Run(count, port, timeout, line);
        });
        return command;
    }

    /// <summary>The arguments with what belongs to the command that is launched set apart, so that its options are left to it.</summary>
    internal static string[] Separated(string[] arguments) =>
        arguments is [Name, ..] && !arguments.Contains("--") && Array.IndexOf(arguments, Trains) is var start and > 0
            ? [.. arguments[..start], "--", .. arguments[start..]]
            : arguments;
}
