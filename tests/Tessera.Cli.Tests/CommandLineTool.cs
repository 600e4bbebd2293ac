using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using Tessera.Cli.Shell;

namespace Tessera.Cli.Tests;

/// <summary>What a command line printed and ended with.</summary>
internal sealed record Ended(int Code, string Output, string Error)
{
    internal JsonElement Json => JsonDocument.Parse(Output).RootElement;

    internal string[] Lines => Output.Split('\n', StringSplitOptions.RemoveEmptyEntries);

    /// <summary>The one line of an error that the user made.</summary>
    internal string UserError()
    {
        Assert.True(Code == ExitCode.UserError, $"exit code {Code}: {Error}");
        Assert.Empty(Output);
        Assert.StartsWith("tessera: ", Error, StringComparison.Ordinal);
        return Assert.Single(Error.Split('\n', StringSplitOptions.RemoveEmptyEntries));
    }

    internal Ended Succeeded()
    {
        Assert.True(Code == ExitCode.Success, $"exit code {Code}: {Error}{Output}");
        return this;
    }
}

/// <summary>The built command line, started as a process of its own.</summary>
internal sealed partial class CommandLineTool : IDisposable
{
    private static readonly string Host = Environment.ProcessPath!.EndsWith("dotnet", StringComparison.Ordinal)
        ? Environment.ProcessPath
        : "dotnet";
    private static readonly string Program = Path.Combine(AppContext.BaseDirectory, "Tessera.Cli.dll");
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);
    private readonly Process process;
    private readonly StringBuilder output = new();
    private readonly StringBuilder error = new();
    private readonly string? awaited;
    private readonly ManualResetEventSlim seen = new();

    private CommandLineTool(
        string folder,
        IEnumerable<string> arguments,
        string? awaited,
        IReadOnlyDictionary<string, string>? environment,
        string[]? behind = null
    )
    {
        this.awaited = awaited;
        var start = Describe(Program, folder, arguments, behind);
        foreach (var (name, value) in environment ?? new Dictionary<string, string>())
            start.Environment[name] = value;
        process = Process.Start(start)!;
        process.OutputDataReceived += (_, line) => Take(output, line.Data);
        process.ErrorDataReceived += (_, line) => Take(error, line.Data);
        process.StandardInput.Close();
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
    }

    /// <summary>How a program of .NET is started.</summary>
    internal static ProcessStartInfo Describe(string program, string folder, IEnumerable<string> arguments, string[]? behind = null)
    {
        // A shell starts what runs in the background with interrupts ignored, and children inherit that.
        string[] line = [.. behind ?? [], "env", "--default-signal=INT,HUP", Host, program, .. arguments];
        var start = new ProcessStartInfo(line[0], line[1..])
        {
            WorkingDirectory = folder,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            RedirectStandardInput = true,
        };
        start.Environment["OMP_WAIT_POLICY"] = "passive";
        // What is measured beside other tests is not to be kept as the peak of the machine.
        start.Environment["XDG_CACHE_HOME"] = Path.Combine(Path.GetTempPath(), "tessera-tests-cache");
        start.Environment.Remove("OPENBLAS_CORETYPE");
        start.Environment.Remove(Errors.TraceVariable);
        return start;
    }

    /// <summary>Runs a command line to its end.</summary>
    internal static Ended Run(params string[] arguments) => Run(Path.GetTempPath(), arguments);

    internal static Ended Run(string folder, string[] arguments) =>
        // The processes that it starts print beside it.
        arguments is ["launch" or "bench", ..]
            ? Alone(folder, arguments)
            : CommandHost.Run(folder, arguments, Patience);

    internal static Ended Run(string folder, string[] arguments, IReadOnlyDictionary<string, string> environment) =>
        Alone(folder, arguments, environment);

    private static Ended Alone(string folder, string[] arguments, IReadOnlyDictionary<string, string>? environment = null)
    {
        using var tool = new CommandLineTool(folder, arguments, null, environment);
        return tool.End();
    }

    /// <summary>Starts a command line and waits until it has printed something.</summary>
    internal static CommandLineTool StartUntil(string folder, string awaited, params string[] arguments) =>
        StartUntil(folder, awaited, null, arguments);

    internal static CommandLineTool StartUntil(
        string folder,
        string awaited,
        IReadOnlyDictionary<string, string>? environment,
        params string[] arguments
    )
    {
        var tool = new CommandLineTool(folder, arguments, awaited, environment);
        tool.process.EnableRaisingEvents = true;
        tool.process.Exited += (_, _) => tool.seen.Set();
        var printed = tool.seen.Wait(Patience) && !tool.process.HasExited;
        Assert.True(printed, $"'{awaited}' was not printed in time: {tool.error}{tool.output}");
        return tool;
    }

    /// <summary>Starts a command line and goes on at once.</summary>
    internal static CommandLineTool Start(string folder, IReadOnlyDictionary<string, string> environment, params string[] arguments) =>
        new(folder, arguments, null, environment);

    /// <summary>Starts a command line behind another command, as <c>ip netns exec NAME</c>.</summary>
    internal static CommandLineTool StartBehind(
        string[] command,
        string folder,
        IReadOnlyDictionary<string, string> environment,
        params string[] arguments
    ) => new(folder, arguments, null, environment, command);

    internal void Interrupt() => Send(2);

    internal void Send(int signal) => Signal(process.Id, signal);

    /// <summary>The number of the process.</summary>
    internal int Id => process.Id;

    internal static void Signal(int id, int signal) => Assert.Equal(0, Kill(id, signal));

    /// <summary>Waits until this process has started one whose command line holds a text (arguments are separated by \0).</summary>
    internal int Child(string text)
    {
        int[] found = [];
        SpinWait.SpinUntil(() => (found = [.. Children().Where(Runs)]).Length > 0, Patience);
        return Assert.Single(found);

        bool Runs(int id) => CommandLineOf(id).Contains(text, StringComparison.Ordinal);
    }

    /// <summary>The command line of a process; empty for one that is gone.</summary>
    internal static string CommandLineOf(int process)
    {
        try
        {
            return File.ReadAllText($"/proc/{process}/cmdline");
        }
        catch (IOException)
        {
            return "";
        }
    }

    // A process is listed below the thread that has started it.
    private IEnumerable<int> Children() =>
        Directory
            .GetDirectories($"/proc/{process.Id}/task")
            .SelectMany(thread => File.ReadAllText(Path.Combine(thread, "children")).Split(' ', StringSplitOptions.RemoveEmptyEntries))
            .Select(id => int.Parse(id, System.Globalization.CultureInfo.InvariantCulture));

    /// <summary>The process that this one has started as a rank.</summary>
    internal int Rank(int rank) => Children().Single(id => File.ReadAllText($"/proc/{id}/environ").Split('\0').Contains($"RANK={rank}"));

    internal Ended End()
    {
        if (!process.WaitForExit(Patience))
        {
            process.Kill();
            Assert.Fail($"did not end: {error}{output}");
        }
        // The asynchronous readers may lag behind the process.
        process.WaitForExit();
        return new(process.ExitCode, output.ToString(), error.ToString());
    }

    public void Dispose()
    {
        if (!process.HasExited)
            process.Kill();
        process.Dispose();
        seen.Dispose();
    }

    private void Take(StringBuilder text, string? line)
    {
        if (line is null)
            return;
        lock (text)
            text.Append(line).Append('\n');
        if (awaited is not null && line.Contains(awaited, StringComparison.Ordinal))
            seen.Set();
    }

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int Kill(int process, int signal);
}
