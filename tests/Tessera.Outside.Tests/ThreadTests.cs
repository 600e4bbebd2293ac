using System.Globalization;
using Tessera.Deploy;

namespace Tessera.Outside.Tests;

/// <summary>Threads that a program takes which sets nothing: as many as the machine gives it.</summary>
public sealed class ThreadTests
{
    /// <summary>Writes how many are taken: on another thread, on the first one, and by a compiled model.</summary>
    internal static void Tell()
    {
        var another = 0;
        var thread = new Thread(() =>
        {
            using (Torch.Ones([2])) { }
            another = Torch.Threads;
        });
        thread.Start();
        thread.Join();
        using var scope = new Scope();
        var model = new PatchNet(new((8, 8)));
        model.Eval();
        using var compiled = model.Compile();
        Console.WriteLine($"{another} {Torch.Threads} {compiled.Threads}");
    }

    private static int[] Threads(string? openMp, params string[] before) =>
        [
            .. OwnProcess
                .Run(["threads"], [("OMP_NUM_THREADS", openMp)], before)
                .Split(' ')
                .Select(number => int.Parse(number, CultureInfo.InvariantCulture)),
        ];

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
