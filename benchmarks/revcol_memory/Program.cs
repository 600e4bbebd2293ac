// Peak memory of a training step of RevCol over its number of columns, for the three ways of back-propagation.
// And what recomputation costs in exactness. Prints a table in Markdown.
//
//   dotnet run -c Release --project benchmarks/revcol_memory -- [--columns 4,8,16,32] [--image 128] [--batch 8] [--cuda]
//
// Every figure comes from a process of its own: on the CPU the high-water mark of the resident set during one step, less
// what was resident before it (weights and gradients, which are there already); on CUDA the allocator's own peak.
using System.Diagnostics;
using System.Globalization;
using Tessera;
using Tessera.Models;
using Mode = Tessera.Models.RevCol.Backpropagation;

CultureInfo.DefaultThreadCurrentCulture = CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
var columns = Option("--columns", "4,8,16,32").Split(',').Select(int.Parse).ToArray();
var (image, batch) = (int.Parse(Option("--image", "128")), int.Parse(Option("--batch", "8")));
var device = args.Contains("--cuda") ? new Device(DeviceType.Cuda, 0) : Device.Cpu;

if (Option("--measure", "") is { Length: > 0 } measured)
{
    Measure(Enum.Parse<Mode>(measured), columns[0]);
    return 0;
}

Console.WriteLine(
    $"A step of RevCol with the widths and blocks of RevCol-T, one head, {batch} images of {image} x {image}, float32, "
        + $"{(device.Type == DeviceType.Cuda ? "CUDA" : "CPU")}, libtorch {Torch.Version}.\n"
);
Console.WriteLine(
    "| columns | " + string.Join(" | ", Enum.GetValues<Mode>().Select(mode => $"{mode.ToString().ToLowerInvariant()} MiB | s")) + " |"
);
Console.WriteLine("| ---: |" + string.Concat(Enumerable.Repeat(" ---: | ---: |", 3)));
var exactness = new List<string>();
foreach (var count in columns)
{
    var row = $"| {count} |";
    foreach (var mode in Enum.GetValues<Mode>())
    {
        var figures = InAnotherProcess(mode, count);
        row += $" {figures[0]} | {figures[1]} |";
        if (mode != Mode.Plain)
            exactness.Add($"| {count} | {mode.ToString().ToLowerInvariant()} | {figures[2]} | {figures[3]} |");
    }
    Console.WriteLine(row);
}
Console.WriteLine(
    "\nLargest relative distance of a parameter's gradient from that of plain back-propagation, at the initial weights and "
        + "with the layer scale of all blocks at 0.1 (2 images of 64 x 64):\n"
);
Console.WriteLine("| columns | mode | initial | layer scale 0.1 |\n| ---: | --- | ---: | ---: |");
exactness.ForEach(Console.WriteLine);
return 0;

string Option(string name, string missing) => Array.IndexOf(args, name) is var i and >= 0 && i + 1 < args.Length ? args[i + 1] : missing;

string[] InAnotherProcess(Mode mode, int count)
{
    string[] arguments =
    [
        typeof(RevCol).Assembly.Location.Replace("Tessera.Models.dll", "RevColMemory.dll", StringComparison.Ordinal),
        "--measure",
        mode.ToString(),
        "--columns",
        $"{count}",
        "--image",
        $"{image}",
        "--batch",
        $"{batch}",
        .. args.Where(a => a == "--cuda"),
    ];
    using var process = Process.Start(new ProcessStartInfo("dotnet", arguments) { RedirectStandardOutput = true })!;
    var line = process.StandardOutput.ReadToEnd().Trim();
    process.WaitForExit();
    return process.ExitCode == 0
        ? line.Split(' ')
        : throw new InvalidOperationException($"measuring {mode} with {count} columns failed with exit code {process.ExitCode}");
}

void Measure(Mode mode, int count)
{
    Torch.Seed(1);
    var model = new RevCol(new RevCol.Config((image, image), [64, 128, 256, 512], [2, 2, 4, 2], count, Supervision: false, Mode: mode));
    model.To(device);
    // Once at a small size, so that kernels, threads and gradients exist before memory is watched.
    Step(model, 1, 64);
    Torch.Collect();
    var before = Watch();
    var watch = Stopwatch.StartNew();
    Step(model, batch, image);
    if (device.Type == DeviceType.Cuda)
        Cuda.Synchronize();
    watch.Stop();
    var peak = (Peak() - before) / 1048576.0;
    Console.WriteLine($"{peak:F0} {watch.Elapsed.TotalSeconds:F1} {Distance(model, mode):E1} {Distance(Scaled(model), mode):E1}");
}

void Step(RevCol model, int images, int size)
{
    using var scope = new Scope();
    model.Run(new(Torch.Randn([images, 3, size, size]).To(device))).Logits.Square().Mean().Backward();
}

long Watch()
{
    if (device.Type != DeviceType.Cuda)
    {
        File.WriteAllText("/proc/self/clear_refs", "5"); // starts the high-water mark again
        return Status("VmRSS");
    }
    Cuda.Synchronize();
    Cuda.ResetPeak();
    return Cuda.Memory().Allocated;
}

long Peak() => device.Type == DeviceType.Cuda ? Cuda.Memory().Peak : Status("VmHWM");

static long Status(string name) =>
    1024
    * long.Parse(
        File.ReadLines("/proc/self/status")
            .First(line => line.StartsWith(name + ":", StringComparison.Ordinal))
            .Split(' ', StringSplitOptions.RemoveEmptyEntries)[^2]
            .Trim()
    );

static RevCol Scaled(RevCol model)
{
    using var quiet = Torch.NoGrad();
    foreach (var (name, parameter) in model.NamedParameters())
        if (name.EndsWith("gamma", StringComparison.Ordinal))
            parameter.Fill_(0.1);
    return model;
}

double Distance(RevCol model, Mode mode)
{
    using var scope = new Scope();
    var images = Torch.Randn([2, 3, 64, 64]).To(device);
    Tensor[] Gradients(Mode way)
    {
        model.Mode = way;
        model.ZeroGrad();
        model.Run(new(images)).Logits.Square().Mean().Backward();
        return [.. model.Parameters().Select(p => p.Grad!.Clone())];
    }
    return Gradients(mode)
        .Zip(Gradients(Mode.Plain), (ours, theirs) => ((ours - theirs).Norm() / theirs.Norm().ClampMin(1e-12)).ToDouble())
        .Max();
}
