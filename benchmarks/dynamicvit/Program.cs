// Images per second of DynamicViT against the same network without pruning.
// Over the share of tokens that the first stage keeps and the batch; prints a table in Markdown.
//
//   dotnet run -c Release --project benchmarks/dynamicvit -- [--dim 384] [--rounds 7] [--batches 1,8,64] [--threads N] [--csv FILE]
//   [--profile] [--processor-time]
//
// The sides take turns within each round, and medians are compared. --profile prints what stages cost that keep every token.
// --processor-time counts the time that the processor spends on it, for one thread on a machine that does other things too.
using System.Diagnostics;
using System.Globalization;
using Tessera;
using Tessera.Models;

CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
var (dim, rounds) = (int.Parse(Option("--dim", "384")), int.Parse(Option("--rounds", "7")));
var batches = Option("--batches", "1,8,64").Split(',').Select(int.Parse).ToArray();
Torch.Threads = int.Parse(Option("--threads", $"{Environment.ProcessorCount}"));
var processor = args.Contains("--processor-time");
double[] ratios = [1, 0.9, 0.8, 0.7, 0.6, 0.5];
using var scope = new Scope();
using var inference = Torch.Inference();
Torch.Seed(1);
var models = ratios.Select(Build).ToArray();
Backbone deit = new Vit(new Vit.Config((224, 224), 16, dim, 12, dim / 64));
deit.Eval();
Console.WriteLine(
    $"DeiT of width {dim}, 12 blocks, 224 x 224, float32, libtorch {Torch.Version}, {Torch.Threads} threads, "
        + $"OPENBLAS_CORETYPE={Environment.GetEnvironmentVariable("OPENBLAS_CORETYPE") ?? "(unset)"}. "
        + $"Medians of {rounds} rounds, sides alternating{(processor ? ", processor time" : "")}.\n"
);
Console.WriteLine("| batch | ViT | no pruning | " + string.Join(" | ", ratios.Skip(1).Select(r => $"keep {r}")) + " |");
Console.WriteLine("| ---: |" + string.Concat(Enumerable.Repeat(" ---: |", ratios.Length + 1)));
List<string> rows = ["batch,keep_ratio,images_per_second,over_unpruned"];
foreach (var batch in batches)
{
    var images = Torch.Randn([batch, 3, 224, 224]);
    Backbone[] sides = [deit, .. models];
    var times = sides.Select(_ => new List<double>()).ToArray();
    // Small batches are over sooner: as many runs as make a measurable stretch.
    var runs = Math.Max(1, 16 / batch);
    for (var round = -1; round < rounds; round++)
        foreach (var (i, model) in sides.Index())
        {
            var seconds = Seconds(model, images, runs);
            if (round >= 0)
                times[i].Add(seconds / runs);
        }
    double[] rates = [.. times.Select(list => batch / list.Order().ElementAt(list.Count / 2))];
    Console.WriteLine(
        $"| {batch} | {rates[0]:F1} | {rates[1]:F1} | "
            + string.Join(" | ", rates.Skip(2).Select(rate => $"{rate:F1} ({rate / rates[1]:F2})"))
            + " |"
    );
    rows.AddRange(ratios.Select((ratio, i) => $"{batch},{(i == 0 ? "none" : $"{ratio}")},{rates[i + 1]:F2},{rates[i + 1] / rates[1]:F3}"));
}
if (Option("--csv", "") is { Length: > 0 } file)
    File.WriteAllLines(file, rows);
if (args.Contains("--profile"))
    Profile();
return;

string Option(string name, string missing) => Array.IndexOf(args, name) is var i and >= 0 && i + 1 < args.Length ? args[i + 1] : missing;

DynamicVit Build(double ratio)
{
    // The weights of the blocks do not matter for time; a ratio of 1 has no stages at all.
    int[] layers = ratio < 1 ? [3, 6, 9] : [];
    var model = new DynamicVit(
        new DynamicVit.Config((224, 224), 16, dim, 12, dim / 64, layers, [.. layers.Select((_, i) => Math.Pow(ratio, i + 1))])
    );
    model.Eval();
    return model;
}

double Seconds(Backbone model, Tensor images, int runs)
{
    var (started, spent) = (Stopwatch.GetTimestamp(), Environment.CpuUsage.TotalTime);
    for (var i = 0; i < runs; i++)
    {
        using var inner = new Scope();
        model.Call(images);
    }
    return (processor ? Environment.CpuUsage.TotalTime - spent : Stopwatch.GetElapsedTime(started)).TotalSeconds;
}

// The time of a stage is what one pruning stage costs, from models with one more or fewer of them that keep everything.
void Profile()
{
    var image = Torch.Randn([1, 3, 224, 224]);
    DynamicVit[] staged =
    [
        .. Enumerable
            .Range(0, 4)
            .Select(stages =>
            {
                var model = new DynamicVit(
                    new DynamicVit.Config(
                        (224, 224),
                        16,
                        dim,
                        12,
                        dim / 64,
                        [.. Enumerable.Range(0, stages).Select(i => 3 + 3 * i)],
                        [.. Enumerable.Repeat(1.0, stages)]
                    )
                );
                model.Eval();
                return model;
            }),
    ];
    var times = staged.Select(_ => new List<double>()).ToArray();
    for (var round = 0; round < 40; round++)
        foreach (var (i, model) in staged.Index())
            times[i].Add(Seconds(model, image, 1));
    Console.WriteLine(
        "\nOne image, stages that keep every token: "
            + string.Join(", ", times.Select((list, i) => $"{i}: {1000 * list.Order().ElementAt(list.Count / 2):F2} ms"))
    );
}
