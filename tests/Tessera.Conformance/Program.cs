using System.Globalization;
using System.Reflection;
using Tessera;
using Tessera.Conformance;

// Runs golden files: test --goldens FOLDER... [--case PATTERN] [--verbose]. A line per file, then the counts.
CultureInfo.DefaultThreadCurrentCulture = CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
var folders = new List<string>();
var wanted = "";
var verbose = false;
for (var i = 0; i < args.Length; i++)
{
    switch (args[i])
    {
        case "--help" or "-h":
            Console.WriteLine("usage: test --goldens FOLDER... [--case TEXT] [--verbose]\n\nRuns every golden file below the folders (default: tests/goldens) whose case or name contains TEXT.");
            return 0;
        case "--goldens": break;
        case "--verbose": verbose = true; break;
        case "--case" when i + 1 < args.Length: wanted = args[++i]; break;
        case var folder: folders.Add(folder); break;
    }
}
if (folders.Count == 0) folders.Add(Path.Combine(Repository(), "tests", "goldens"));
foreach (var folder in folders.Where(f => !Directory.Exists(f) && !File.Exists(f)))
{
    Console.Error.WriteLine($"no such folder: {folder}");
    return 2;
}

var cases = Assembly.GetExecutingAssembly().GetTypes()
    .SelectMany(type => type.GetCustomAttributes<CaseAttribute>(), (type, attribute) => (attribute.Name, type))
    .ToDictionary(c => c.Name, c => c.type);
// A file per core: most are too small to spread one over several.
Torch.Threads = 1;
var files = folders.SelectMany(f => File.Exists(f) ? [f] : Directory.EnumerateFiles(f, "*.json", SearchOption.AllDirectories)).Order(StringComparer.Ordinal)
    .Select(GoldenFile.Read).OfType<GoldenFile>().Where(file => $"{file.Case} {file.Name}".Contains(wanted, StringComparison.Ordinal));
var (passed, failed, skipped) = (0, 0, 0);
foreach (var (verdict, lines) in files.AsParallel().AsOrdered().WithMergeOptions(ParallelMergeOptions.NotBuffered).Select(Judge))
{
    if (verdict == true) passed++;
    else if (verdict == false) failed++;
    else skipped++;
    foreach (var line in lines) Console.WriteLine(line);
}
Console.WriteLine($"{passed} passed, {failed} failed, {skipped} skipped");
return failed > 0 ? 1 : 0;

// True when it passes, null when nobody implements its case.
(bool? Verdict, string[] Lines) Judge(GoldenFile file)
{
    if (!cases.TryGetValue(file.Case, out var type)) return (null, [$"missing  {file.Case}  {file.Name}"]);
    var exact = Execute(file, type, DType.Float64);
    var single = Execute(file, type, DType.Float32);
    var illConditioned = exact.Passed && !single.Passed && (single.IsRounding(exact, []) || single.IsRounding(exact, [.. Enumerable.Range(1, 3).Select(seed => Execute(file, type, DType.Float64, seed))]));
    var problems = exact.Failures.Select(f => $"      [float64] {f}").Concat(illConditioned ? [] : single.Failures.Select(f => $"      [float32] {f}")).ToArray();
    // The error as a share of what is allowed: 1 is the limit.
    var worst = illConditioned ? exact.Worst : Math.Max(exact.Worst, single.Worst);
    var line = $"{(problems.Length == 0 ? "pass" : "FAIL")}  {file.Case}  {file.Name}  {worst:G3}{(illConditioned ? "  (ill-conditioned in float32: judged in float64)" : "")}";
    return (problems.Length == 0, [line, .. problems.Take(verbose ? int.MaxValue : 4)]);
}

GoldenRun Execute(GoldenFile file, Type type, DType real, int perturbation = 0)
{
    var run = new GoldenRun(file, real, perturbation);
    try
    {
        using var scope = new Scope();
        Torch.Seed((ulong)perturbation);
        ((GoldenCase)Activator.CreateInstance(type)!).Run(run);
        run.Finish();
    }
    catch (GoldenMismatchException) when (run.Failures.Count > 0)
    {
        // What does not fit has been noted.
    }
    catch (Exception e)
    {
        run.Fail($"{e.GetType().Name}: {(verbose ? e : e.Message)}");
    }
    return run;
}

static string Repository()
{
    for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder != null; folder = folder.Parent)
        if (File.Exists(Path.Combine(folder.FullName, "Tessera.slnx"))) return folder.FullName;
    return Directory.GetCurrentDirectory();
}
