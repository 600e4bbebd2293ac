// What Threads and Concurrency of a Predictor bring: images a second, waiting times and processor time, by callers.
//
//   tessera bench serving -- [MODEL [PHOTO [SECONDS [ROUNDS]]]] > results.csv
//
// Each caller classifies the bytes of one JPEG file again and again, decoding included, and waits for each answer. The settings take turns,
// with weights drawn at random. Each line ends with the load of the machine: beside other work it says little.
using System.Diagnostics;
using System.Globalization;
using Tessera.Hosting;
using Tessera.Models;
using Tessera.Training.Bundles;

CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
var (name, photo) = (Argument(0, "deit_tiny_patch16_224"), File.ReadAllBytes(Argument(1, Sample())));
var (seconds, rounds) = (double.Parse(Argument(2, "1.5")), int.Parse(Argument(3, "3")));
var processor = Line("/proc/cpuinfo", "model name");
var processors = Environment.ProcessorCount;
var model = Registry.Create(name);
string[] classes = [.. Enumerable.Range(0, model.Classes).Select(label => $"class {label}")];
var bundle = ModelBundle.FromModel(model, name, classes);

// A thread for an image, or all of them; as many images at once as fill the processors, half and twice as many.
var settings = (
    from threads in new[] { 1, processors }.Distinct()
    from concurrency in new[] { 1, processors / threads, 2 * processors / threads }.Distinct()
    select (Threads: threads, Concurrency: concurrency)
).ToArray();
var predictors = settings
    .Select(one => Predictor.FromBundle(bundle, new() { Threads = one.Threads, Concurrency = one.Concurrency }))
    .ToArray();
foreach (var predictor in predictors)
    predictor.Predict(photo);

Console.WriteLine("processor,processors,model,callers,threads,concurrency,round,images_per_second,median_ms,p99_ms,processor_ms,load");
for (var round = 0; round < rounds; round++)
    foreach (var callers in new[] { 1, 32 })
    foreach (var ((threads, concurrency), predictor) in settings.Zip(predictors))
    {
        var (speed, waits, used) = await Measure(predictor, callers);
        var load = File.ReadAllText("/proc/loadavg").Split(' ')[0];
        Console.WriteLine(
            $"{processor},{processors},{name},{callers},{threads},{concurrency},{round},"
                + $"{speed:0.0},{At(waits, 0.5):0.0},{At(waits, 0.99):0.0},{used:0.0},{load}"
        );
    }
foreach (var predictor in predictors)
    predictor.Dispose();

// Images a second, milliseconds from a call to its answer in their order, and milliseconds of all processors for an image.
async Task<(double Speed, double[] Waits, double Used)> Measure(Predictor predictor, int callers)
{
    var (began, before) = (Stopwatch.GetTimestamp(), Environment.CpuUsage.TotalTime);
    var all = await Task.WhenAll(Enumerable.Range(0, callers).Select(_ => Task.Run(() => Call(predictor, began))));
    var (passed, used) = (Stopwatch.GetElapsedTime(began), Environment.CpuUsage.TotalTime - before);
    double[] waits = [.. all.SelectMany(own => own).Order()];
    return (waits.Length / passed.TotalSeconds, waits, used.TotalMilliseconds / waits.Length);
}

async Task<List<double>> Call(Predictor predictor, long began)
{
    List<double> waits = [];
    do
    {
        var asked = Stopwatch.GetTimestamp();
        await predictor.PredictAsync(photo);
        waits.Add(Stopwatch.GetElapsedTime(asked).TotalMilliseconds);
    } while (Stopwatch.GetElapsedTime(began).TotalSeconds < seconds);
    return waits;
}

string Argument(int place, string otherwise) => place < args.Length ? args[place] : otherwise;

static double At(double[] sorted, double share) => sorted[(int)(share * (sorted.Length - 1))];

static string Line(string file, string name) =>
    File.ReadLines(file).FirstOrDefault(line => line.StartsWith(name, StringComparison.Ordinal))?.Split(':')[1].Trim() ?? "unknown";

// A photo of the checkout.
static string Sample()
{
    for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        if (Path.Combine(folder.FullName, "tests", "samples", "scene", "scene.jpg") is var file && File.Exists(file))
            return file;
    throw new FileNotFoundException("tests/samples/scene/scene.jpg is missing: name a photo");
}
