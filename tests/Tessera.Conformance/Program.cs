using System.Globalization;
using System.Reflection;
using Tessera;
using Tessera.Conformance;
using Tessera.Testing;

// Runs golden files; --help says how. A line per file, then the counts.
CultureInfo.DefaultThreadCurrentCulture = CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
const string usage = """
    usage: test --goldens [FOLDER...] [--case TEXT] [--device DEVICE] [--precision PRECISION] [--verbose]

    Runs every golden file below the folders (default: tests/goldens) and prints a line for each:
    pass|FAIL|missing  case  name  worst error as a share of what is allowed; then the counts. Exit code 1 if one failed.

      --case TEXT            only files whose case or name contains TEXT
      --device DEVICE        where models and inputs lie: cpu (default), cuda, cuda:N, or twin: the processor in the guise of a
                             GPU, which finds tensors on the wrong device without having one. Never in tf32. Cases about files
                             and the preparation of data run on the processor whatever is given.
      --precision PRECISION  float32 (default): in float64 at 1e-8 and in float32 at 1e-4; what is ill-conditioned in float32
                             is judged in float64. bf16: under autocast to bfloat16, at a looser tolerance of its own, which
                             is printed; it shows that nothing breaks, and says nothing about float32 and float64.
      --verbose              every difference, and where errors come from
    """;
var folders = new List<string>();
var (wanted, deviceName, precisionName, verbose) = ("", "cpu", "float32", false);
for (var i = 0; i < args.Length; i++)
{
    switch (args[i])
    {
        case "--help" or "-h":
            Console.WriteLine(usage);
            return 0;
        case "--goldens":
            break;
        case "--verbose":
            verbose = true;
            break;
        case "--case" when i + 1 < args.Length:
            wanted = args[++i];
            break;
        case "--device" when i + 1 < args.Length:
            deviceName = args[++i];
            break;
        case "--precision" when i + 1 < args.Length:
            precisionName = args[++i];
            break;
        case ['-', ..] option:
            return Refuse($"unknown option or no value: {option}\n\n{usage}");
        case var folder:
            folders.Add(folder);
            break;
    }
}
if (folders.Count == 0)
    folders.Add(Path.Combine(Repository(), "tests", "goldens"));
foreach (var folder in folders.Where(f => !Directory.Exists(f) && !File.Exists(f)))
    return Refuse($"no such folder: {folder}");
if (precisionName is not ("float32" or "bf16"))
    return Refuse($"--precision {precisionName}: float32 or bf16 was expected");
if (deviceName == "twin")
    Twin.Load();
Device device;
try
{
    device = deviceName == "twin" ? Device.Cuda : Device.Parse(deviceName);
}
catch (FormatException error)
{
    return Refuse($"--device {deviceName}: {error.Message}");
}
if (device.Type == DeviceType.Cuda && Math.Max(0, device.Index) >= Cuda.Count)
    return Refuse($"--device {deviceName}: libtorch {Torch.Version} finds {Cuda.Count} CUDA devices");
var inShort = precisionName == "bf16";
if (inShort)
{
    var p = Precision.BFloat16;
    Console.WriteLine(
        $"bf16: autocast over float32 weights; outputs within {p.Tolerance} of the largest value (or of 1), l2 of gradients within {p.GradientTolerance} of it, what is zero in theory within {p.Absolute}"
    );
}

var cases = Assembly
    .GetExecutingAssembly()
    .GetTypes()
    .SelectMany(type => type.GetCustomAttributes<CaseAttribute>(), (type, attribute) => (attribute, type))
    .ToDictionary(c => c.attribute.Name, c => (Type: c.type, c.attribute.OnCpu, c.attribute.Steps));

// A file per core: most are too small to spread one over several.
Torch.Threads = 1;
var files = folders
    .SelectMany(f => File.Exists(f) ? [f] : Directory.EnumerateFiles(f, "*.json", SearchOption.AllDirectories))
    .Order(StringComparer.Ordinal)
    .Select(GoldenFile.Read)
    .OfType<GoldenFile>()
    .Where(file => $"{file.Case} {file.Name}".Contains(wanted, StringComparison.Ordinal));
var (passed, failed, skipped) = (0, 0, 0);
foreach (var (verdict, lines) in files.AsParallel().AsOrdered().WithMergeOptions(ParallelMergeOptions.NotBuffered).Select(Judge))
{
    if (verdict == true)
        passed++;
    else if (verdict == false)
        failed++;
    else
        skipped++;
    foreach (var line in lines)
        Console.WriteLine(line);
}
Console.WriteLine($"{passed} passed, {failed} failed, {skipped} skipped");
return failed > 0 ? 1 : 0;

static int Refuse(string message)
{
    Console.Error.WriteLine(message);
    return 2;
}

// True when it passes, null when nobody implements its case.
(bool? Verdict, string[] Lines) Judge(GoldenFile file)
{
    if (!cases.TryGetValue(file.Case, out var known))
        return (null, [$"missing  {file.Case}  {file.Name}"]);
    return inShort && known is { OnCpu: false, Steps: false }
        ? JudgeShort(file, known.Type)
        : JudgeWhole(file, known.Type, known.OnCpu ? Device.Cpu : device);
}

(bool?, string[]) JudgeWhole(GoldenFile file, Type type, Device on)
{
    var exact = Execute(file, type, Precision.Float64, on);
    var single = Execute(file, type, Precision.Float32, on);
    var illConditioned = exact.Passed && !single.Passed && IsRounding(single, exact, file, type, on, Math.Pow(2, -18));
    var problems = exact
        .Failures.Select(f => $"      [float64] {f}")
        .Concat(illConditioned ? [] : single.Failures.Select(f => $"      [float32] {f}"))
        .ToArray();
    // The error as a share of what is allowed: 1 is the limit.
    var worst = illConditioned ? exact.Worst : Math.Max(exact.Worst, single.Worst);
    return Verdict(file, problems, worst, illConditioned ? "  (ill-conditioned in float32: judged in float64)" : "");
}

(bool?, string[]) JudgeShort(GoldenFile file, Type type)
{
    var run = Execute(file, type, Precision.BFloat16, device);
    var illConditioned =
        !run.Passed
        && Execute(file, type, Precision.Float64, device) is { Passed: true } exact
        && IsRounding(run, exact, file, type, device, Math.Pow(2, -8));
    return Verdict(
        file,
        illConditioned ? [] : [.. run.Failures.Select(f => $"      [bf16] {f}")],
        run.Worst,
        illConditioned ? "  (beyond the tolerance, but no more than rounding: ill-conditioned in bf16)" : ""
    );
}

(bool?, string[]) Verdict(GoldenFile file, string[] problems, double worst, string remark) =>
    (
        problems.Length == 0,
        [
            $"{(problems.Length == 0 ? "pass" : "FAIL")}  {file.Case}  {file.Name}  {worst:G3}{remark}",
            .. problems.Take(verbose ? int.MaxValue : 4),
        ]
    );

// The share of a weight or input that it is changed by stands for many roundings: of some thousand in float32, of one in bfloat16.
bool IsRounding(GoldenRun run, GoldenRun exact, GoldenFile file, Type type, Device on, double share) =>
    run.IsRounding(exact, [])
    || run.IsRounding(exact, [.. Enumerable.Range(1, 3).Select(seed => Execute(file, type, Precision.Float64, on, (seed, share)))]);

GoldenRun Execute(GoldenFile file, Type type, Precision precision, Device on, (int Number, double Share) perturbation = default)
{
    var run = new GoldenRun(file, precision, on, perturbation);
    try
    {
        using var scope = new Scope();
        Torch.Seed((ulong)perturbation.Number);
        using (precision.Short is { } shorter ? Torch.Autocast(shorter, on.Type) : null)
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
        if (File.Exists(Path.Combine(folder.FullName, "Tessera.slnx")))
            return folder.FullName;
    return Directory.GetCurrentDirectory();
}
