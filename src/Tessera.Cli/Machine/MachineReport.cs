using System.Reflection;
using System.Runtime.InteropServices;
using System.Text.RegularExpressions;
using Tessera.Native;
using Tessera.Training.Reports;

namespace Tessera.Cli.Machine;

/// <summary>What this machine computes with, how fast, and what would make it faster.</summary>
internal sealed partial record MachineReport
{
    /// <summary>Settings that change what OpenBLAS and OpenMP do.</summary>
    internal static readonly string[] Variables =
    [
        "OPENBLAS_CORETYPE",
        "OPENBLAS_NUM_THREADS",
        "OMP_NUM_THREADS",
        "MKL_NUM_THREADS",
        "ATEN_CPU_CAPABILITY",
        "OMP_WAIT_POLICY",
    ];

    public required string Version { get; init; }
    public required string Runtime { get; init; }
    public required string System { get; init; }
    public required string Libtorch { get; init; }

    /// <summary>The file of libtorch that was loaded; null where the system does not tell.</summary>
    public required string? LibtorchPath { get; init; }

    /// <summary>The file of our native library.</summary>
    public required string NativeLibrary { get; init; }
    public required ImageLibrary Libvips { get; init; }
    public required Processor Processor { get; init; }

    /// <summary>Instruction set of libtorch's own kernels.</summary>
    public required string Kernels { get; init; }
    public required BlasLibrary Blas { get; init; }

    /// <summary>Version of oneDNN; null without it.</summary>
    public required string? OneDnn { get; init; }
    public required bool FusedAttention { get; init; }
    public required int Threads { get; init; }

    /// <summary>What limits the threads.</summary>
    public required string ThreadsBy { get; init; }
    public required long MemoryBytes { get; init; }
    public required long FreeMemoryBytes { get; init; }
    public required int CudaDevices { get; init; }
    public required IReadOnlyDictionary<string, string> Environment { get; init; }

    /// <summary>Measured products of matrices in float32, on all threads.</summary>
    public required double? Float32Gflops { get; init; }

    /// <summary>The same in bfloat16.</summary>
    public required double? Bfloat16Gflops { get; init; }

    /// <summary>The same two on the first CUDA device.</summary>
    public required double? CudaFloat32Gflops { get; init; }
    public required double? CudaBfloat16Gflops { get; init; }

    /// <summary>Asks the engine, and measures unless told not to.</summary>
    internal static MachineReport Collect(bool measure)
    {
        var processor = Processor.Read();
        var limit = ThreadLimit.Here;
        Torch.Threads = limit.Count;
        var build = Torch.BuildInfo;
        var cuda = Cuda.Count;
        var (total, free) = Memory();
        return new()
        {
            Version = typeof(MachineReport)
                .Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()!
                .InformationalVersion.Split('+')[0],
            Runtime = RuntimeInformation.FrameworkDescription,
            System = RuntimeInformation.OSDescription,
            Libtorch = Torch.Version,
            LibtorchPath = LoadedLibraries.Find("libtorch_cpu.so"),
            NativeLibrary = Library.File,
            Libvips = ImageLibrary.Find(),
            Processor = processor,
            Kernels = Match(Capability(), build) ?? "unknown",
            OneDnn = Torch.HasOneDnn ? Match(DnnVersion(), build) ?? "of unknown version" : null,
            FusedAttention = Torch.HasOperator("aten::scaled_dot_product_attention"),
            Threads = Torch.Threads,
            ThreadsBy = limit.Source,
            MemoryBytes = total,
            FreeMemoryBytes = free,
            CudaDevices = cuda,
            Environment = Variables
                .Select(name => (name, Value: global::System.Environment.GetEnvironmentVariable(name)))
                .Where(v => !string.IsNullOrEmpty(v.Value))
                .ToDictionary(v => v.name, v => v.Value!),
            Float32Gflops = measure ? Peak(DType.Float32, Device.Cpu) : null,
            Bfloat16Gflops = measure ? Peak(DType.BFloat16, Device.Cpu) : null,
            CudaFloat32Gflops = measure && cuda > 0 ? Peak(DType.Float32, new(DeviceType.Cuda, 0)) : null,
            CudaBfloat16Gflops = measure && cuda > 0 ? Peak(DType.BFloat16, new(DeviceType.Cuda, 0)) : null,
            // After the engine was used: before, its libraries are not loaded.
            Blas = BlasLibrary.Find(),
        };
    }

    // What trainings compare themselves with is brought up to date on the way.
    private static double Peak(DType type, Device device)
    {
        var measured = PeakMeasurement.Gflops(type, device);
        PeakCache.OfUser().Remember(type, device, measured);
        return measured;
    }

    private static (long Total, long Free) Memory()
    {
        // A container's limit counts, not the machine's memory.
        var total = GC.GetGCMemoryInfo().TotalAvailableMemoryBytes;
        var available =
            File.Exists("/proc/meminfo")
            && File.ReadLines("/proc/meminfo").FirstOrDefault(line => line.StartsWith("MemAvailable:", StringComparison.Ordinal))
                is { } line
                ? long.Parse(Match(Number(), line)!, global::System.Globalization.CultureInfo.InvariantCulture) * 1024
                : total;
        return (total, Math.Min(total, available));
    }

    private static string? Match(Regex pattern, string text) =>
        pattern.Match(text) is { Success: true } match ? match.Groups[1].Value.Trim() : null;

    [GeneratedRegex(@"CPU capability usage: (\S+)")]
    private static partial Regex Capability();

    [GeneratedRegex(@"(?:MKL-DNN|oneDNN) v([\d.]+)")]
    private static partial Regex DnnVersion();

    [GeneratedRegex(@"(\d+)")]
    private static partial Regex Number();
}
