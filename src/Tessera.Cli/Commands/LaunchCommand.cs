using System.CommandLine;

namespace Tessera.Cli.Commands;

/// <summary><c>tessera launch</c>: several processes of this machine train together.</summary>
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
        Description = "Port at which the processes meet; a free one by default.",
        HelpName = "number",
    };
    private static readonly Option<double?> Timeout = new("--timeout")
    {
        Description = "Seconds that a process waits for another before all end with an error; 300 by default.",
        HelpName = "seconds",
    };
    private static readonly Argument<string[]> Line = new("command")
    {
        Description = "train and its arguments; --json and --quiet of its own.",
        HelpName = "train ...",
        Arity = ArgumentArity.OneOrMore,
    };

    internal static Command Create()
    {
        var command = new ExampleCommand(
            Name,
            "Train in several processes of this machine. Ctrl-C writes one checkpoint and ends all of them."
        )
        {
            Examples =
            [
                ("tessera launch -n 2 train cct/fashion_mnist", "each computes half of every batch"),
                ("tessera launch -n 4 train --resume runs/mine", "go on with a run, whatever the number it began with"),
                ("tessera launch -n 8 --timeout 60 train my.yaml --set train.device=cuda", "a GPU for each"),
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
                throw new UserException($"-n {count}: 1 to 1024 processes are right");
            if (port is < 1 or > 65534)
                throw new UserException($"--port {port}: 1 to 65534 is right");
            if (timeout is < 1 or > 86400)
                throw new UserException($"--timeout {timeout}: 1 to 86400 seconds are right");
            if (line[0] != Trains)
                throw new UserException($"launch runs {Trains}, not {line[0]}");
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
