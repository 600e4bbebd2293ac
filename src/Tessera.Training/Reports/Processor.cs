using System.Runtime.InteropServices;

namespace Tessera.Training.Reports;

/// <summary>What the system says of its processor.</summary>
/// <param name="Name">Marketing name; the architecture where the system tells none.</param>
/// <param name="Count">Processors that this process may use.</param>
/// <param name="Vectors">Instruction sets that the kernels look for, the widest last.</param>
/// <param name="Load">Processes that were ready to run in the last minute; null where the system does not count them.</param>
internal sealed record Processor(string Name, int Count, IReadOnlyList<string> Vectors, double? Load)
{
    private static readonly (string Flag, string Name)[] Known =
    [
        ("avx2", "AVX2"),
        ("fma", "FMA"),
        ("avx512f", "AVX-512"),
        ("avx512_vnni", "VNNI"),
        ("avx512_bf16", "AVX-512 BF16"),
        ("amx_bf16", "AMX BF16"),
        ("asimd", "NEON"),
        ("bf16", "BF16"),
        ("sve", "SVE"),
    ];

    internal static Processor Read()
    {
        var lines = File.Exists("/proc/cpuinfo") ? File.ReadAllLines("/proc/cpuinfo") : [];
        var flags = (Field(lines, "flags") ?? Field(lines, "Features") ?? "").Split(' ').ToHashSet();
        return new(
            Field(lines, "model name") ?? RuntimeInformation.ProcessArchitecture.ToString(),
            ThreadLimit.Processors,
            [.. Known.Where(k => flags.Contains(k.Flag)).Select(k => k.Name)],
            ReadLoad()
        );
    }

    /// <summary>Whether it multiplies in bfloat16 by itself.</summary>
    internal bool HasBFloat16 => Vectors.Any(name => name.EndsWith("BF16", StringComparison.Ordinal));

    private static string? Field(string[] lines, string name) =>
        lines.FirstOrDefault(line => line.StartsWith(name, StringComparison.Ordinal)) is { } line
            ? line[(line.IndexOf(':', StringComparison.Ordinal) + 1)..].Trim()
            : null;

    private static double? ReadLoad() =>
        File.Exists("/proc/loadavg")
        && double.TryParse(File.ReadAllText("/proc/loadavg").Split(' ')[0], System.Globalization.CultureInfo.InvariantCulture, out var load)
            ? load
            : null;
}
