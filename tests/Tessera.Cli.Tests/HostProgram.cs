using System.Text.Json;

namespace Tessera.Cli.Tests;

/// <summary>The program of a <see cref="CommandHost"/>: command lines come in, and what they printed goes out, until the tests end.</summary>
internal static class HostProgram
{
    private static int Main()
    {
        var (requests, answers) = (Console.In, Console.Out);
        while (requests.ReadLine() is { } line)
        {
            answers.WriteLine(JsonSerializer.Serialize(Run(JsonSerializer.Deserialize<HostedCommand>(line)!)));
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
        // A new process would begin with these.
        Torch.Threads = ThreadLimit.Here.Count;
        return new(code, output.ToString(), error.ToString());
    }
}
