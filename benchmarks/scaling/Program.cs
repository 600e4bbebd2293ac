// What training on several processes costs: time of a step, bytes exchanged, and how much of the exchange the backward pass hides.
//
//   tessera bench scaling -- [--model deit_tiny_patch16_224] [--batch 8] [--processes 1,2,4] [--threads 1] [--steps 10]
//   [--repeats 3] [--csv FILE]
//   tessera bench scaling -- --predict [--model deit_base_patch16_224] [--overlap 0.5]
//
// The first measures on this machine, over gloo and the loopback device; processes that share cores and memory slow each other
// down, so every number of processes is measured against itself without exchange. The second computes the cost model of
// docs/scaling.md from the link speeds and the utilisation that it names.
using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Tessera;
using Tessera.Benchmarks.Scaling;
using Tessera.Distributed;
using Tessera.Models;

CultureInfo.DefaultThreadCurrentCulture = CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
if (args.Contains("--predict"))
{
    var variant = Registry.Get(Option("--model", "deit_base_patch16_224"));
    Prediction.Print(variant.Name, variant.Create(new()).ParameterCount, double.Parse(Option("--overlap", "0.5")));
    return 0;
}
var (model, batch, threads, steps) = (
    Option("--model", "deit_tiny_patch16_224"),
    int.Parse(Option("--batch", "8")),
    int.Parse(Option("--threads", "1")),
    int.Parse(Option("--steps", "10"))
);
if (args.Contains("--worker"))
{
    var figures = Measurement.Run(model, batch, threads, steps, ProcessGroup.FromEnvironment());
    if (figures is not null)
        Console.WriteLine(figures);
    return 0;
}

Console.WriteLine(
    $"{model}, {batch} images of each process, {threads} threads each, float32, gloo over loopback, "
        + $"libtorch {Torch.Version}, {Environment.ProcessorCount} cores, load {File.ReadAllText("/proc/loadavg").Split(' ')[0]}, "
        + $"OPENBLAS_CORETYPE={Environment.GetEnvironmentVariable("OPENBLAS_CORETYPE") ?? "(unset)"}\n"
);
Console.WriteLine(
    $"| processes | {Figures.Titles.Replace(",", " | ")} |\n"
        + $"|{string.Concat(Enumerable.Repeat(" ---: |", Figures.Titles.Split(',').Length + 1))}"
);
var rows = new List<string> { $"processes,{Figures.Titles}" };
var counts = Option("--processes", "1,2,4").Split(',').Select(int.Parse).ToArray();

// Sides take turns, so that a change of the machine's load meets all of them.
var all = Enumerable
    .Range(0, int.Parse(Option("--repeats", "3")))
    .SelectMany(_ => counts.Select(count => (Count: count, Figures: InProcesses(count))))
    .ToArray();
foreach (var count in counts)
{
    var median = Figures.Median([.. all.Where(one => one.Count == count).Select(one => one.Figures)]);
    Console.WriteLine($"| {count} | {median.ToString().Replace(",", " | ")} |");
    rows.Add($"{count},{median}");
}
if (Option("--csv", "") is { Length: > 0 } csv)
    File.WriteAllLines(csv, rows);
return 0;

string Option(string name, string missing) => Array.IndexOf(args, name) is var i and >= 0 && i + 1 < args.Length ? args[i + 1] : missing;

Figures InProcesses(int count)
{
    using var listener = new TcpListener(IPAddress.Loopback, 0);
    listener.Start();
    var port = ((IPEndPoint)listener.LocalEndpoint).Port;
    listener.Stop();
    var processes = Enumerable
        .Range(0, count)
        .Select(rank =>
        {
            var start = new ProcessStartInfo(
                "dotnet",
                [
                    typeof(Measurement).Assembly.Location,
                    "--worker",
                    "--model",
                    model,
                    "--batch",
                    $"{batch}",
                    "--threads",
                    $"{threads}",
                    "--steps",
                    $"{steps}",
                ]
            )
            {
                RedirectStandardOutput = true,
            };
            foreach (
                var (name, value) in new[]
                {
                    ("RANK", rank),
                    ("LOCAL_RANK", rank),
                    ("WORLD_SIZE", count),
                    ("LOCAL_WORLD_SIZE", count),
                    ("MASTER_PORT", port),
                    ("OMP_NUM_THREADS", threads),
                }
            )
                start.Environment[name] = $"{value}";
            start.Environment["MASTER_ADDR"] = "127.0.0.1";
            return Process.Start(start)!;
        })
        .ToArray();
    var lines = processes.Select(process => process.StandardOutput.ReadToEnd().Trim()).ToArray();
    foreach (var process in processes)
    {
        process.WaitForExit();
        if (process.ExitCode != 0)
            throw new InvalidOperationException($"a process ended with exit code {process.ExitCode}");
    }
    return Figures.Parse(lines[0]);
}
