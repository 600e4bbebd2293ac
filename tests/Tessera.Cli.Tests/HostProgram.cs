using System.Text.Json;

namespace Tessera.Cli.Tests;

/// <summary>
/// The program of a <see cref="CommandHost"/>: command lines come in, and what they printed goes out, until the tests end.
/// </summary>
internal static class HostProgram
{
    private static int Main()
    {
        StartupHook.Initialize();
        var (requests, answers, threads) = (Console.In, Console.Out, Torch.Threads);
        while (requests.ReadLine() is { } line)
        {
            answers.WriteLine(JsonSerializer.Serialize(Run(JsonSerializer.Deserialize<HostedCommand>(line)!)));
            // A new process would begin so.
            Torch.Threads = threads;
            answers.Flush();
        }
        return 0;
    }

    private static Ended Run(HostedCommand command)
    {
        using StringWriter output = new() { NewLine = "\n" },
            error = new() { NewLine = "\n" };
        Console.SetOut(TextWriter.Synchronized(output));
        Console.SetError(TextWriter.Synchronized(error));
        Directory.SetCurrentDirectory(command.Folder);
        var code = CommandLine.Run(command.Arguments);
        return new(code, output.ToString(), error.ToString());
    }
}
