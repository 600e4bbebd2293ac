using System.Globalization;
using Tessera;
using Tessera.Conformance;
using Tessera.Testing;

// Runs golden files; --help says how. A line per file, then the counts.
CultureInfo.DefaultThreadCurrentCulture = CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
const string usage = """
    usage: test --goldens [FOLDER...] [--case TEXT] [--device DEVICE] [--precision PRECISION] [--verbose]

    Runs every golden file below the folders (default: tests/goldens) and prints a line for each:
    pass|FAIL|missing  case  name  worst error as a share of what is allowed; then which files rounding excused in float32, and
    the counts. Exit code 1 if one failed, or if more of tests/goldens were excused than Precision.MostExcused.

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
        $"bf16: autocast over float32 weights; outputs within {p.Tolerance} of the largest value (or of 1), "
            + $"l2 of gradients within {p.GradientTolerance} of it, what is zero in theory within {p.Absolute}"
    );
}

// A file per core: most are too small to spread one over several.
Torch.Threads = 1;
var files = folders
    .SelectMany(f => File.Exists(f) ? [f] : Directory.EnumerateFiles(f, "*.json", SearchOption.AllDirectories))
    .Order(StringComparer.Ordinal)
    .Select(GoldenFile.Read)
    .OfType<GoldenFile>()
    .Where(file => $"{file.Case} {file.Name}".Contains(wanted, StringComparison.Ordinal));
var judge = new Judge(device, inShort, verbose);

// Which files are ill-conditioned depends on the order of sums: the limit is the processor's.
var tally = new Tally(
    inShort ? "bf16" : "float32",
    inShort || device.Type != DeviceType.Cpu ? null : Path.Combine(Repository(), "tests", "goldens"),
    Precision.MostExcused
);
foreach (var verdict in files.AsParallel().AsOrdered().WithMergeOptions(ParallelMergeOptions.NotBuffered).Select(judge.Of))
{
    tally.Add(verdict);
    foreach (var line in verdict.Lines)
        Console.WriteLine(line);
}
foreach (var line in tally.Lines)
    Console.WriteLine(line);
return tally.Good ? 0 : 1;

static int Refuse(string message)
{
    Console.Error.WriteLine(message);
    return 2;
}

static string Repository()
{
    for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder != null; folder = folder.Parent)
        if (File.Exists(Path.Combine(folder.FullName, "Tessera.slnx")))
            return folder.FullName;
    return Directory.GetCurrentDirectory();
}
