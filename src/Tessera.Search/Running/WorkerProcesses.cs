using System.Collections.Concurrent;
using System.Diagnostics;
using Tessera.Training;

namespace Tessera.Search.Running;

/// <summary>
/// The processes that score candidates of a stage. The candidate of one that was killed is tried again at once, by a new one; one that ends
/// without having begun a candidate ends the search, with what it said.
/// </summary>
internal sealed class WorkerProcesses : IDisposable
{
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(30);

    private readonly ICandidateStore store;
    private readonly string stage;
    private readonly int attempts;
    private readonly Func<string, ProcessStartInfo> launch;
    private readonly Func<string> nextName;
    private readonly List<Started> running = [];

    private sealed record Started(Process Process, string Name, ConcurrentQueue<string> Said);

    /// <summary>Starts them.</summary>
    /// <param name="store">The candidates.</param>
    /// <param name="stage">Name of the stage.</param>
    /// <param name="attempts">How often a candidate may be begun.</param>
    /// <param name="count">How many.</param>
    /// <param name="launch">How one is started, by its name.</param>
    /// <param name="nextName">Names that nobody else has.</param>
    internal WorkerProcesses(
        ICandidateStore store,
        string stage,
        int attempts,
        int count,
        Func<string, ProcessStartInfo> launch,
        Func<string> nextName
    )
    {
        (this.store, this.stage, this.attempts, this.launch, this.nextName) = (store, stage, attempts, launch, nextName);
        try
        {
            for (var i = 0; i < count; i++)
                running.Add(Start());
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    private Started Start()
    {
        var name = nextName();
        var process = Process.Start(launch(name)) ?? throw new InvalidOperationException("the process of a worker could not be started");
        var said = new ConcurrentQueue<string>();
        process.ErrorDataReceived += (_, line) =>
        {
            if (line.Data is { Length: > 0 } text)
                said.Enqueue(text);
        };
        process.BeginErrorReadLine();
        return new(process, name, said);
    }

    /// <summary>Looks after those that have ended.</summary>
    /// <exception cref="RunException">One has ended that had not begun a candidate.</exception>
    internal void Tend()
    {
        for (var i = 0; i < running.Count; i++)
        {
            if (!running[i].Process.HasExited)
                continue;
            var (process, name, said) = running[i];
            // What it has said may lag behind its end.
            process.WaitForExit();
            var end = process.ExitCode > 128 ? $"was ended by signal {process.ExitCode - 128}" : $"ended with exit code {process.ExitCode}";
            var last = said.LastOrDefault() is { } line ? $": {line}" : "";
            var held = store.Read(stage).Where(one => one.State == CandidateState.Leased && one.Worker == name).ToArray();
            if (held.Length == 0)
                throw new RunException($"a worker of stage {stage} {end}{last}");
            foreach (var candidate in held)
                store.Fail(candidate.Id, name, $"the worker {end}{last}", attempts);
            process.Dispose();
            running[i] = Start();
        }
    }

    /// <summary>Ends them: each gives its candidate back.</summary>
    public void Dispose()
    {
        // The end of their input tells them; it comes by itself when this process is killed.
        foreach (var one in running)
            one.Process.StandardInput.Close();
        var deadline = Stopwatch.StartNew();
        foreach (var one in running)
        {
            var left = Grace - deadline.Elapsed;
            if (!one.Process.WaitForExit(left > TimeSpan.Zero ? left : TimeSpan.Zero))
                one.Process.Kill();
            one.Process.Dispose();
        }
    }
}
