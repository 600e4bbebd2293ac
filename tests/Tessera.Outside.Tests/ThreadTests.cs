using System.Diagnostics;
using System.Globalization;

namespace Tessera.Outside.Tests;

/// <summary>Threads that a program takes which sets nothing: as many as the machine gives it.</summary>
public sealed class ThreadTests
{
    // Of another thread, of the first one, and of a compiled model.
    private static int[] Threads(string? openMp, params string[] before)
    {
        string[] command = [.. before, "dotnet", typeof(ThreadTests).Assembly.Location, "threads"];
        var start = new ProcessStartInfo(command[0], command[1..]) { RedirectStandardOutput = true };
        start.Environment.Remove("OMP_NUM_THREADS");
        if (openMp is not null)
            start.Environment["OMP_NUM_THREADS"] = openMp;
        using var process = Process.Start(start)!;
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        Assert.Equal(0, process.ExitCode);
        return [.. output.Split(' ').Select(number => int.Parse(number, CultureInfo.InvariantCulture))];
    }

    [Fact]
    public void The_least_of_processors_affinity_and_the_variable_of_OpenMP_counts()
    {
        // The tests themselves may run with less than the machine has.
        var all = Threads(null)[0];
        Assert.InRange(all, 1, Environment.ProcessorCount);
        Assert.Equal([all, all, all], Threads(null));
        Assert.Equal([1, 1, 1], Threads("1"));
        Assert.Equal([all, all, all], Threads("1000"));
        var first = File.ReadLines("/proc/self/status").First(line => line.StartsWith("Cpus_allowed_list:", StringComparison.Ordinal));
        Assert.Equal([1, 1, 1], Threads(null, "taskset", "--cpu-list", first.Split(':')[1].Trim().Split('-', ',')[0]));
        Assert.Equal([1, 1, 1], Threads("1000", "taskset", "--cpu-list", first.Split(':')[1].Trim().Split('-', ',')[0]));
    }
}
