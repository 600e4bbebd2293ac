using System.Collections.Concurrent;
using System.Diagnostics;
using System.Text.Json;

namespace Tessera.Cli.Tests;

/// <summary>
/// A process that runs one command line after the other, so that not each has to load the engine and to compile this program again, which
/// takes seconds. What tests about a process itself need (signals, an environment, several processes) starts one of its own.
/// </summary>
internal sealed class CommandHost : IDisposable
{
    private static readonly ConcurrentBag<CommandHost> idle = [];
    private readonly Process process;

    private CommandHost()
    {
        var start = CommandLineTool.Describe(typeof(CommandHost).Assembly.Location, Path.GetTempPath(), []);
        // What the engine says by itself belongs to no command line.
        start.RedirectStandardError = false;
        process = Process.Start(start)!;
    }

    /// <summary>Runs a command line to its end.</summary>
    /// <param name="folder">The folder that it runs in.</param>
    /// <param name="arguments">Its arguments.</param>
    /// <param name="patience">How long it may take.</param>
    internal static Ended Run(string folder, string[] arguments, TimeSpan patience)
    {
        if (!idle.TryTake(out var host))
            host = new();
        var ended = host.Ask(new(folder, arguments), patience);
        idle.Add(host);
        return ended;
    }

    private Ended Ask(HostedCommand command, TimeSpan patience)
    {
        process.StandardInput.WriteLine(JsonSerializer.Serialize(command));
        var answer = process.StandardOutput.ReadLineAsync();
        if (!answer.Wait(patience))
        {
            Dispose();
            Assert.Fail($"did not end: {string.Join(' ', command.Arguments)}");
        }
        if (answer.Result is { } line)
            return JsonSerializer.Deserialize<Ended>(line)!;
        process.WaitForExit();
        Assert.Fail($"ended the process with exit code {process.ExitCode}: {string.Join(' ', command.Arguments)}");
        throw new UnreachableException();
    }

    public void Dispose()
    {
        if (!process.HasExited)
            process.Kill();
        process.Dispose();
    }
}

/// <summary>A command line for a host.</summary>
internal sealed record HostedCommand(string Folder, string[] Arguments);
