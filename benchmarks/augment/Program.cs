// Images per second of small sets whose batches are made on a device, against batches made on the processor and brought there.
// From bytes in memory to normalised batches of float32 on the device; 50,000 made-up images of CIFAR's size.
//
//   tessera bench augment -- [DEVICE [BATCH [SECONDS [ROUNDS [WORKERS]]]]]
//
// Seconds are processor time per round, not the clock's. With 0 workers the thread that takes the batches makes them.
using System.Diagnostics;
using System.Globalization;
using Tessera;
using Tessera.Data;
using Tessera.Data.Images;
using Tessera.Data.Loading;
using Tessera.Data.Transforms;

CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
Torch.Threads = 1;
var device = Device.Parse(Argument(0, Cuda.IsAvailable ? "cuda" : "cpu"));
var (batch, seconds, rounds, workers) = (
    int.Parse(Argument(1, "128")),
    double.Parse(Argument(2, "1")),
    int.Parse(Argument(3, "3")),
    int.Parse(Argument(4, "0"))
);
var pixels = new byte[50_000 * 3 * 32 * 32];
new Random(1).NextBytes(pixels);
var set = new MemoryImages(
    "made up",
    "train",
    [.. Enumerable.Range(0, 10).Select(label => $"{label}")],
    [.. Enumerable.Range(0, 50_000).Select(i => i % 10)],
    pixels,
    3,
    32,
    32
);
var pipelines = new (string Name, Transform[] Transforms)[]
{
    ("nothing", []),
    ("crop, flip", [new RandomCrop(4), new RandomHorizontalFlip()]),
    ("crop, flip, erasing", [new RandomCrop(4), new RandomHorizontalFlip(), new RandomErasing(Mode: ErasingMode.Const)]),
    ("crop, flip, erasing by noise", [new RandomCrop(4), new RandomHorizontalFlip(), new RandomErasing()]),
    ("crop, flip, mixup, cutmix", [new RandomCrop(4), new RandomHorizontalFlip(), new Mixup(), new CutMix()]),
};
Console.WriteLine(
    $"libtorch {Torch.Version}, {device}, one thread of the engine, {workers} workers, batch {batch}, "
        + $"OPENBLAS_CORETYPE={Environment.GetEnvironmentVariable("OPENBLAS_CORETYPE")}; medians of {rounds} rounds in turn"
);
Console.WriteLine("transforms | workers' memory | device | ratio");
foreach (var (name, transforms) in pipelines)
{
    Loader[] sides = [New(null), New(device)];
    var speeds = new List<double>[] { [], [] };
    for (var round = 0; round < rounds; round++)
    for (var side = 0; side < 2; side++)
        speeds[side].Add(Speed(sides[side]));
    var (loader, there) = (Median(speeds[0]), Median(speeds[1]));
    Console.WriteLine($"{name} | {loader:0} | {there:0} | {there / loader:0.00}");

    Loader New(Device? where) =>
        new(
            set,
            new(transforms),
            new(batch)
            {
                Shuffle = true,
                DropLast = true,
                Workers = workers,
                Device = where,
            }
        );
}

double Speed(Loader loader)
{
    // Some batches pay for compiling and for memory.
    Run(loader.Epoch(0).Take(10), double.MaxValue);
    return Run(Enumerable.Range(1, int.MaxValue - 1).SelectMany(epoch => loader.Epoch(epoch)), seconds);
}

double Run(IEnumerable<Batch> batches, double limit)
{
    var (images, started) = (0L, Now());
    foreach (var made in batches)
    {
        using (var inputs = made.Inputs.To(device))
            images += made.Count;
        made.Dispose();
        if ((Now() - started).TotalSeconds > limit)
            break;
    }
    if (device.Type == DeviceType.Cuda)
        Cuda.Synchronize(Math.Max(0, device.Index));
    return images / (Now() - started).TotalSeconds;
}

TimeSpan Now() => device.Type == DeviceType.Cpu ? Environment.CpuUsage.TotalTime : Stopwatch.GetElapsedTime(0);

string Argument(int place, string otherwise) => place < args.Length ? args[place] : otherwise;

static double Median(List<double> values) => values.Order().ElementAt(values.Count / 2);
