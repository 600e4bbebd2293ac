// Time and memory of the fused deformable sampling against the plain composition, at the maps of InternImage-T at 224 x 224.
using System.Diagnostics;
using System.Globalization;
using Tessera;
using Tessera.Models;
using Tessera.Models.Layers;

CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
var threads = args.Length > 0 ? int.Parse(args[0]) : Environment.ProcessorCount;
Torch.Threads = threads;
Console.WriteLine(
    $"libtorch {Torch.Version}, {threads} threads, OPENBLAS_CORETYPE={Environment.GetEnvironmentVariable("OPENBLAS_CORETYPE") ?? "(unset)"}"
);
Console.WriteLine("Medians; memory is what the peak of the process rose by. Sides alternate.");
Console.WriteLine();
Console.WriteLine("| map | groups | type | pass | fused ms | plain ms | ratio | fused MB | plain MB |");
Console.WriteLine("| --- | --- | --- | --- | --- | --- | --- | --- | --- |");
foreach (var (side, groups) in new[] { (56, 4), (28, 8), (14, 16), (7, 32) })
foreach (var type in new[] { DType.Float32, DType.BFloat16 })
foreach (var backward in new[] { false, true })
    Compare(8, side, groups, type, backward);
Console.WriteLine();
Console.WriteLine("InternImage-T, 224 x 224, batch 4, float32, forward and backward:");
Console.WriteLine();
Network();

static void Compare(int batch, int side, int groups, DType type, bool backward)
{
    using var scope = Torch.Scope();
    Torch.Seed(0);
    var sampling = new DeformableSampling(groups, (3, 3), (1, 1), (1, 1), (1, 1));
    var value = Torch.Randn([batch, side, side, groups * 16]).To(type).Detach();
    var offset = Torch.Randn([batch, side, side, groups * 18]).To(type).Detach();
    var mask = Torch.Rand([batch, side, side, groups, 9]).Softmax(-1).Reshape(batch, side, side, -1).To(type).Detach();
    Tensor[] inputs = [value, offset, mask];
    foreach (var input in inputs)
        input.RequiresGrad = backward;
    // The engine's sampler has no bfloat16 on the CPU: the plain side computes in float32 there.
    var plainInputs = type == DType.Float32 ? inputs : [.. inputs.Select(i => i.To(DType.Float32))];
    void Run(Func<Tensor, Tensor, Tensor, Tensor> side, Tensor[] given)
    {
        using var inner = Torch.Scope();
        var y = side(given[0], given[1], given[2]);
        if (backward)
            Autograd.Grad([y.Sum()], inputs, retainGraph: true);
    }

    void Fused() => Run(sampling.Apply, inputs);
    void Plain() => Run(sampling.Plain, plainInputs);
    var (fused, plain) = Alternate(Fused, Plain);
    var (fusedMemory, plainMemory) = (PeakRise(Fused), PeakRise(Plain));
    Console.WriteLine(
        $"| {batch} x {side} x {side} x {groups * 16} | {groups} | {type.Name()} | {(backward ? "forward + backward" : "forward")} | "
            + $"{fused:F2} | {plain:F2} | {plain / fused:F1} | {fusedMemory:F0} | {plainMemory:F0} |"
    );
}

static void Network()
{
    using var scope = Torch.Scope();
    var model = Registry.Create("internimage_t", new() { DropPath = 0 });
    var image = Torch.Randn([4, 3, 224, 224]);
    void Step()
    {
        using var inner = Torch.Scope();
        model.Call(image).Sum().Backward();
    }

    Step();
    var watch = Stopwatch.StartNew();
    Step();
    Console.WriteLine($"{watch.Elapsed.TotalMilliseconds:F0} ms a step, peak rises by {PeakRise(Step):F0} MB");
}

static (double First, double Second) Alternate(Action first, Action second)
{
    first();
    second();
    var (a, b) = (new List<double>(), new List<double>());
    var total = Stopwatch.StartNew();
    while (a.Count < 5 || (a.Count < 30 && total.Elapsed.TotalSeconds < 3))
    {
        a.Add(Time(first));
        b.Add(Time(second));
    }
    return (Median(a), Median(b));
}

static double Time(Action action)
{
    var watch = Stopwatch.StartNew();
    action();
    return watch.Elapsed.TotalMilliseconds;
}

static double Median(List<double> values) => values.Order().ElementAt(values.Count / 2);

// Linux resets a process's peak of resident memory when 5 is written here.
static double PeakRise(Action action)
{
    Torch.Collect();
    Torch.ReleaseFreedMemory();
    File.WriteAllText("/proc/self/clear_refs", "5");
    var before = Status("VmRSS:");
    action();
    return (Status("VmHWM:") - before) / 1024.0;
}

static long Status(string field) =>
    long.Parse(
        File.ReadLines("/proc/self/status")
            .First(line => line.StartsWith(field, StringComparison.Ordinal))
            .Split((char[])[' ', '\t'], StringSplitOptions.RemoveEmptyEntries)[1]
    );
