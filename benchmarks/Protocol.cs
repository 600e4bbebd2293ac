using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text.Json;

namespace Tessera.Benchmarks;

/// <summary>The worker's side of the line protocol that <c>protocol.py</c> describes.</summary>
internal static class Protocol
{
    /// <summary>Answers commands until standard input ends.</summary>
    /// <param name="run">One run, timed.</param>
    /// <param name="output">The result of one run; null where there is none.</param>
    /// <param name="losses">Losses of so many steps of training; null where nothing is trained.</param>
    /// <param name="memory">The most memory in MB; by default what the process had.</param>
    internal static void Serve(
        Action run,
        Func<float[]>? output = null,
        Func<int, IEnumerable<double>>? losses = null,
        Func<double>? memory = null
    )
    {
        CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
        var about = new
        {
            version = $"Tessera on libtorch {Torch.Version}, {RuntimeInformation.FrameworkDescription}",
            threads = Torch.Threads,
        };
        Console.WriteLine($"ready {JsonSerializer.Serialize(about)}");
        while (Console.ReadLine() is { } line)
        {
            var words = line.Split(' ', 2);
            Console.WriteLine(
                words[0] switch
                {
                    "time" => $"times {string.Join(' ', Times(run, int.Parse(words[1])).Select(ms => $"{ms:F4}"))}",
                    "output" when output is not null => Save(output(), words[1]),
                    "losses" when losses is not null =>
                        $"losses {string.Join(' ', losses(int.Parse(words[1])).Select(loss => $"{loss:F6}"))}",
                    "memory" => $"memory {(memory ?? PeakMegabytes)():F1}",
                    _ => throw new InvalidOperationException($"unknown command {line}"),
                }
            );
        }
    }

    private static double[] Times(Action run, int count)
    {
        var times = new double[count];
        for (var i = 0; i < count; i++)
        {
            var start = Stopwatch.GetTimestamp();
            run();
            times[i] = Stopwatch.GetElapsedTime(start).TotalMilliseconds;
        }
        return times;
    }

    private static string Save(float[] values, string path)
    {
        File.WriteAllBytes(path, MemoryMarshal.AsBytes<float>(values));
        return "done";
    }

    // Environment.WorkingSet is of now, not of the most that there was.
    private static double PeakMegabytes() =>
        long.Parse(
            File.ReadLines("/proc/self/status")
                .First(line => line.StartsWith("VmHWM", StringComparison.Ordinal))
                .Split(' ', StringSplitOptions.RemoveEmptyEntries)[1]
        ) / 1024.0;
}
