using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using Tessera.Distributed;

namespace Tessera.Cli.Shell;

/// <summary>Processes of this program that train together on this machine. When one fails, all end.</summary>
internal static partial class LaunchedProcesses
{
    /// <summary>Set in every process that was started here.</summary>
    internal const string Variable = "TESSERA_LAUNCHED";

    private const int Terminate = 15,
        Kill = 9;

    // The others learn of a failure by themselves and say who is to blame; what does not (a process that was stopped) is ended.
    private static readonly TimeSpan longestGrace = TimeSpan.FromSeconds(30);

    /// <summary>Starts them and waits until all have ended.</summary>
    /// <param name="count">How many.</param>
    /// <param name="port">Where they meet; null for a free port.</param>
    /// <param name="timeout">Seconds that one waits for another; null for the usual.</param>
    /// <param name="arguments">Command line of each.</param>
    /// <returns>The exit code of rank 0, or, when that was killed, of the first that failed.</returns>
    internal static int Run(int count, int? port, double? timeout, string[] arguments)
    {
        var place = port ?? FreePort();
        var processes = new List<Process>();
        var (demands, asked) = (0, 0);
        using var interrupted = PosixSignalRegistration.Create(PosixSignal.SIGINT, PassOn);
        using var terminated = PosixSignalRegistration.Create(PosixSignal.SIGTERM, PassOn);
        using var hungUp = PosixSignalRegistration.Create(PosixSignal.SIGHUP, PassOn);
        try
        {
            for (var rank = 0; rank < count; rank++)
            {
                var process = Start(rank, count, place, timeout, arguments);
                lock (processes)
                    processes.Add(process);
            }
            return Wait(processes, timeout);
        }
        finally
        {
            SignalAll(Kill);
            foreach (var process in processes)
                process.Dispose();
        }

        // The first asks for an end in good order, with a checkpoint; a second one ends them at once, unless it is the end of the terminal.
        void PassOn(PosixSignalContext context)
        {
            context.Cancel = true;
            if (context.Signal != PosixSignal.SIGHUP && Interlocked.Increment(ref demands) > 1)
                SignalAll(Kill);
            else if (Interlocked.Exchange(ref asked, 1) == 0)
                SignalAll(Terminate);
        }

        void SignalAll(int signal)
        {
            lock (processes)
                foreach (var process in processes)
                    if (!process.HasExited)
                        _ = Send(process.Id, signal);
        }
    }

    private static int Wait(List<Process> processes, double? timeout)
    {
        var left = processes.Select((process, rank) => (Rank: rank, Process: process, Ended: process.WaitForExitAsync())).ToList();
        var first = ExitCode.Success;
        while (left.Count > 0 && first is ExitCode.Success or ExitCode.Interrupted)
        {
            var place = Task.WaitAny([.. left.Select(one => one.Ended)]);
            first = Worse(first, CodeOf(left[place].Rank, left[place].Process));
            left.RemoveAt(place);
        }
        if (left.Count == 0)
            return CodeOfAll();
        var grace =
            timeout is { } seconds && TimeSpan.FromSeconds(seconds) + TimeSpan.FromSeconds(2) is var own && own < longestGrace
                ? own
                : longestGrace;
        Task.WaitAll([.. left.Select(one => one.Ended)], grace);
        foreach (var (rank, process, ended) in left)
        {
            if (ended.IsCompleted)
                _ = CodeOf(rank, process);
            else
                Errors.WriteLine(Console.Error, $"rank {rank} (process {process.Id}) did not end and was killed");
        }
        return CodeOfAll();

        // What rank 0 ends with speaks for all; when it was killed, what the first of the others did.
        int CodeOfAll() =>
            processes[0].HasExited && processes[0].ExitCode is > 0 and (<= 128 or ExitCode.Interrupted) and var code ? code : first;
    }

    private static int Worse(int before, int code) => code == ExitCode.Success ? before : code;

    // .NET gives 128 and the signal's number for a process that a signal ended.
    private static int CodeOf(int rank, Process process)
    {
        if (process.ExitCode <= 128 || process.ExitCode == ExitCode.Interrupted)
            return process.ExitCode;
        Errors.WriteLine(Console.Error, $"rank {rank} (process {process.Id}) was ended by signal {process.ExitCode - 128}");
        return ExitCode.Failure;
    }

    private static Process Start(int rank, int count, int port, double? timeout, string[] arguments)
    {
        // The first one's output is that of the training.
        var start = Describe(arguments);
        (start.RedirectStandardOutput, start.RedirectStandardError) = (rank > 0, rank > 0);
        Set("RANK", rank);
        Set("LOCAL_RANK", rank);
        Set("WORLD_SIZE", count);
        Set("LOCAL_WORLD_SIZE", count);
        Set("MASTER_PORT", port);
        start.Environment["MASTER_ADDR"] = "127.0.0.1";
        start.Environment.TryAdd(ThreadLimit.Variable, ThreadLimit.Shared(count).ToString(CultureInfo.InvariantCulture));
        if (timeout is { } seconds)
            start.Environment[WorkerEnvironment.TimeoutVariable] = seconds.ToString(CultureInfo.InvariantCulture);
        var process = Process.Start(start) ?? throw new InvalidOperationException("another process of this program could not be started");
        if (rank == 0)
            return process;
        process.OutputDataReceived += (_, line) => Prefixed(line.Data);
        process.ErrorDataReceived += (_, line) => Prefixed(line.Data);
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        return process;

        void Set(string name, int value) => start.Environment[name] = value.ToString(CultureInfo.InvariantCulture);

        void Prefixed(string? line)
        {
            if (line is not null)
                Console.Error.WriteLine($"[rank {rank}] {line}");
        }
    }

    /// <summary>How a process is started that works for this one, and ends with its standard input.</summary>
    /// <param name="arguments">Its command line.</param>
    internal static ProcessStartInfo DescribeWorker(string[] arguments)
    {
        var start = Describe(arguments);
        (start.RedirectStandardInput, start.RedirectStandardError) = (true, true);
        return start;
    }

    private static ProcessStartInfo Describe(string[] arguments)
    {
        var start = new ProcessStartInfo(Environment.ProcessPath!);
        if (Path.GetFileNameWithoutExtension(Environment.ProcessPath) == "dotnet")
            start.ArgumentList.Add(typeof(LaunchedProcesses).Assembly.Location);
        foreach (var argument in arguments)
            start.ArgumentList.Add(argument);
        start.Environment[Variable] = "1";
        return start;
    }

    /// <summary>Whether this process is such a one.</summary>
    internal static bool IsOne => Environment.GetEnvironmentVariable(Variable) is not null;

    /// <summary>In such a process: it ends when the launcher does, however that ends.</summary>
    internal static void EndWithLauncher()
    {
        const int parentDeathSignal = 1;
        if (IsOne)
            _ = Control(parentDeathSignal, Terminate, 0, 0, 0);
    }

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    [LibraryImport("libc", EntryPoint = "prctl")]
    private static partial int Control(int option, long first, long second, long third, long fourth);

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int Send(int process, int signal);
}
