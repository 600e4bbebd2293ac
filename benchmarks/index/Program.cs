using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using Tessera.Benchmarks;
using Tessera.Retrieval;

// Speed, recall and memory of an index. Arguments: vectors, threads, a folder for the index (its file is removed at the end).
CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
var count = args.Length > 0 ? int.Parse(args[0]) : 1_000_000;
var threads = args.Length > 1 ? int.Parse(args[1]) : 2;
var folder = args.Length > 2 ? args[2] : Path.GetTempPath();
const int Dimension = 384,
    Directions = 48,
    Slice = 20_000,
    Batch = 100;
const double Spread = 0.7,
    Noise = 0.1;
var clusters = Math.Max(1, count / 100);
var made = new ClusteredVectors(Dimension, clusters, Directions, Spread, Noise, seed: 1);
var queries = made.Take(int.MaxValue - 1000, 500);
var path = Path.Combine(folder, $"benchmark-{Guid.NewGuid():N}.index");
var text = new StringBuilder();
try
{
    Say($"# An index of {count:n0} vectors of {Dimension} numbers, {threads} threads");
    Say("");
    Say(
        $"{Processor()}. Vectors around {clusters:n0} centres: each its centre (normal, deviation 1 in each number), {Spread} in "
            + $"{Directions} directions that all share and {Noise} in each number, made unit vectors; seed 1. Queries are drawn alike. Times are medians."
    );
    Say("");
    using var index = VectorIndex.Create(path, new(Dimension, "none", "none", "none"));
    var adding = TimeSpan.Zero;
    for (var from = 0; from < count; from += Slice)
    {
        var some = Math.Min(Slice, count - from);
        var vectors = made.Take(from, some);
        IndexItem[] items =
        [
            .. Enumerable
                .Range(from, some)
                .Select(i => new IndexItem(0, $"photos/{i:0000000}.jpg", new Dictionary<string, string> { ["class"] = $"c{i % 10}" })),
        ];
        var started = Stopwatch.GetTimestamp();
        index.Add(vectors, items);
        adding += Stopwatch.GetElapsedTime(started);
    }
    Say($"- added in {adding.TotalSeconds:0.0} s, {index.FileBytes / 1e6:n0} MB");
    Measure("all vectors", index, isExact: true);
    var (bytes, begun) = (index.FileBytes, Stopwatch.GetTimestamp());
    index.BuildApproximate(new() { Threads = threads });
    Say($"- graph built in {Stopwatch.GetElapsedTime(begun).TotalSeconds:0} s, {(index.FileBytes - bytes) / 1e6:n0} MB");
    Say("");
    Say("| vectors | search | effort | one query, ms | in batches of 100, ms a query | recall@10 |");
    Say("| --- | --- | --- | --- | --- | --- |");
    Measure("all", index, isExact: false);
    index.Remove([.. Enumerable.Range(0, count / 2).Select(i => 2L * i + 1)]);
    Measure("half deleted", index, isExact: false);
    Say("");
    var filter = IndexFilter.Parse("class=c1");
    var filtered = Median(5, _ => index.Search(queries.AsSpan(0, Dimension), 10, new() { Where = filter, Threads = threads }));
    Say($"- one query with `class=c1`, a fifth of what is left: {filtered:0.0} ms");
    begun = Stopwatch.GetTimestamp();
    using (var again = VectorIndex.Open(path))
        Say($"- opened in {Stopwatch.GetElapsedTime(begun).TotalMilliseconds:0} ms");
    using var self = Process.GetCurrentProcess();
    Say($"- peak of memory {self.PeakWorkingSet64 / 1e6:n0} MB, the mapped file and the building of the graph included");
    var name = Regex.Replace(Processor().ToLowerInvariant(), "[^a-z0-9]+", "-").Trim('-');
    var results = Path.Combine(Directory.Exists("benchmarks/index") ? "benchmarks/index" : ".", $"results-{name}.md");
    File.WriteAllText(results, text.ToString());
    Console.WriteLine($"written to {results}");
}
finally
{
    File.Delete(path);
}

void Measure(string what, VectorIndex index, bool isExact)
{
    var exact = new SearchOptions { Threads = threads };
    if (isExact)
    {
        // The first search compares the file with its checksums.
        var started = Stopwatch.GetTimestamp();
        index.Search(queries.AsSpan(0, Dimension), 10, exact);
        Say($"- the first search, which checks the file, {Stopwatch.GetElapsedTime(started).TotalMilliseconds:0} ms");
        return;
    }
    var truth = Enumerable.Range(0, 5).SelectMany(i => index.Search(Part(i), 10, exact)).Select(Ids).ToArray();
    Row("exact", "", exact, truth);
    foreach (var effort in new[] { 16, 32, 64, 128, 256 })
        Row("approximate", $"{effort}", exact with { Approximate = true, Effort = effort }, truth);

    void Row(string search, string effort, SearchOptions options, HashSet<long>[] truth)
    {
        var alone = Median(options.Approximate ? 100 : 15, i => index.Search(queries.AsSpan(i * Dimension, Dimension), 10, options));
        var found = new List<HashSet<long>>();
        var together = Median(5, i => found.AddRange(index.Search(Part(i), 10, options).Select(Ids))) / Batch;
        var recall = truth.Zip(found).Average(pair => pair.First.Intersect(pair.Second).Count() / (double)pair.First.Count);
        Say($"| {what} | {search} | {effort} | {alone:0.00} | {together:0.000} | {recall:0.0000} |");
    }
}

ReadOnlySpan<float> Part(int i) => queries.AsSpan(i * Batch * Dimension, Batch * Dimension);

HashSet<long> Ids(IReadOnlyList<Neighbor> found) => [.. found.Select(one => one.Item.Id)];

double Median(int times, Action<int> action)
{
    var all = new double[times];
    for (var i = 0; i < times; i++)
    {
        var started = Stopwatch.GetTimestamp();
        action(i);
        all[i] = Stopwatch.GetElapsedTime(started).TotalMilliseconds;
    }
    Array.Sort(all);
    return all[times / 2];
}

string Processor() =>
    File.ReadLines("/proc/cpuinfo").FirstOrDefault(line => line.StartsWith("model name", StringComparison.Ordinal))?.Split(':')[1].Trim()
    ?? "unknown processor";

void Say(string line)
{
    Console.WriteLine(line);
    text.AppendLine(line);
}
