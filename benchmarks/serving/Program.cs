// A predictor under 32 callers and under one, by images at once and threads for an image; and what batches would bring. Prints a table:
//   dotnet run -c Release --project benchmarks/serving -- [MODEL...]
using System.Diagnostics;
using System.Globalization;
using Tessera;
using Tessera.Deploy;
using Tessera.Hosting;
using Tessera.Models;
using Tessera.Training.Bundles;

const int Callers = 32,
    Rounds = 3;
string[] names = args.Length > 0 ? args : ["cct_2_3x2_32", "vit_micro_patch4_32", "deit_tiny_patch16_224"];
Console.WriteLine(
    $"{Environment.ProcessorCount} processors, {Torch.Threads} threads, libtorch {Torch.Version}, kernels {CompiledModel.Kernels}, "
        + $"OPENBLAS_CORETYPE {Environment.GetEnvironmentVariable("OPENBLAS_CORETYPE") ?? "unset"}; medians of {Rounds} rounds"
);
Console.WriteLine("| model | images at once x threads | images a second, 32 callers | milliseconds, one caller |");
Console.WriteLine("| --- | --- | --- | --- |");
var processors = Environment.ProcessorCount;
foreach (var name in names)
{
    var model = Registry.Create(name);
    var classes = Enumerable.Range(0, model.Classes).Select(label => $"class {label}").ToArray();
    var bundle = ModelBundle.FromModel(model, name, classes);
    var photo = Photo(model.ImageSize.Height);
    var perCall = 5e9 / (Registry.Get(name).GMacs ?? 0.05) / 1e9;
    var calls = Math.Clamp((int)(perCall * 8), 64, 2000);
    foreach (var (concurrency, threads) in new[] { (processors, 1), (1, processors), (processors, processors) }.Distinct())
    {
        using var predictor = Predictor.FromBundle(bundle, new() { Concurrency = concurrency, Threads = threads });
        predictor.Predict(photo);
        var (many, one) = (new double[Rounds], new double[Rounds]);
        for (var round = 0; round < Rounds; round++)
        {
            many[round] = calls / await Seconds(() => Ask(predictor, photo, Callers, calls));
            one[round] = await Seconds(() => Ask(predictor, photo, 1, calls / 4)) / (calls / 4) * 1e3;
        }
        Console.WriteLine($"| {name} | {concurrency} x {threads} | {Text(Median(many))} | {Text(Median(one))} |");
    }
    foreach (var batch in new[] { 1, 8 })
    {
        using var compiled = model.Compile(new() { Threads = processors });
        using var scope = new Scope();
        using var quiet = Torch.NoGrad();
        var images = Torch.Randn([batch, model.Channels, model.ImageSize.Height, model.ImageSize.Width]);
        compiled.Call(images);
        var (fast, plain) = (new double[Rounds], new double[Rounds]);
        for (var round = 0; round < Rounds; round++)
        {
            fast[round] = calls / await Seconds(() => Repeat(() => compiled.Call(images), calls / batch));
            plain[round] = calls / await Seconds(() => Repeat(() => model.Call(images), calls / batch));
        }
        Console.WriteLine($"| {name}, model alone | batch {batch} | compiled {Text(Median(fast))}, uncompiled {Text(Median(plain))} | |");
    }
}

static byte[] Photo(int side)
{
    var pixels = new byte[side * side * 3];
    new Random(1).NextBytes(pixels);
    return [.. System.Text.Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"P6\n{side} {side}\n255\n")), .. pixels];
}

static Task Ask(Predictor predictor, byte[] photo, int callers, int calls) =>
    Parallel.ForAsync(0, calls, new ParallelOptions { MaxDegreeOfParallelism = callers }, async (_, cancellation) =>
        await predictor.PredictAsync(photo, cancellation)
    );

static Task Repeat(Func<Tensor> call, int count)
{
    for (var i = 0; i < count; i++)
        call().Dispose();
    return Task.CompletedTask;
}

static async Task<double> Seconds(Func<Task> work)
{
    var clock = Stopwatch.StartNew();
    await work();
    return clock.Elapsed.TotalSeconds;
}

static double Median(double[] values) => values.Order().ElementAt(values.Length / 2);

static string Text(double value) => value.ToString(value < 10 ? "0.00" : "0", CultureInfo.InvariantCulture);
