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
Torch.Threads = Environment.ProcessorCount;
var (passed, failed, skipped) = (0, 0, 0);
foreach (var path in folders.SelectMany(f => File.Exists(f) ? [f] : Directory.EnumerateFiles(f, "*.json", SearchOption.AllDirectories)).Order(StringComparer.Ordinal))
{
    if (GoldenFile.Read(path) is not { } file || !$"{file.Case} {file.Name}".Contains(wanted, StringComparison.Ordinal)) continue;
    if (!cases.TryGetValue(file.Case, out var found))
    {
        skipped++;
        Console.WriteLine($"missing  {file.Case}  {file.Name}");
        continue;
    }
    var exact = Execute(file, found, DType.Float64);
    var problems = exact.Failures.Select(f => $"[float64] {f}").ToList();
    var worst = exact.Worst;
    var remark = "";
    var single = Execute(file, found, DType.Float32);
    worst = Math.Max(worst, single.Worst);
    if (exact.Passed && !single.Passed && single.ExplainedBy(exact)) remark = "  (ill-conditioned in float32: judged in float64)";
    else problems.AddRange(single.Failures.Select(f => $"[float32] {f}"));
    if (problems.Count == 0) passed++;
    else failed++;
    // The error as a share of what is allowed: 1 is the limit.
    Console.WriteLine($"{(problems.Count == 0 ? "pass" : "FAIL")}  {file.Case}  {file.Name}  {worst:G3}{remark}");
    foreach (var problem in problems.Take(verbose ? int.MaxValue : 4)) Console.WriteLine($"      {problem}");
}
Console.WriteLine($"{passed} passed, {failed} failed, {skipped} skipped");
return failed > 0 ? 1 : 0;

GoldenRun Execute(GoldenFile file, Type type, DType real)
{
    var run = new GoldenRun(file, real);
    try
    {
        using var scope = new Scope();
        Torch.Seed(0);
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
