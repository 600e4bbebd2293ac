using System.Diagnostics;
using System.Globalization;

namespace Tessera.Models.Measurement;

/// <summary>Resident memory of this process, in bytes.</summary>
internal static class ProcessMemory
{
    /// <summary>Now.</summary>
    internal static long Resident => Environment.WorkingSet;

    /// <summary>The most there has been.</summary>
    internal static long Peak
    {
        get
        {
            using var process = Process.GetCurrentProcess();
            // .NET reads the current value on Linux; the kernel keeps the highest one.
            const string name = "VmHWM:";
            return
                File.Exists("/proc/self/status")
                && File.ReadLines("/proc/self/status").FirstOrDefault(line => line.StartsWith(name, StringComparison.Ordinal)) is { } line
                ? 1024 * long.Parse(line.AsSpan(name.Length).TrimEnd("kB ").Trim(), CultureInfo.InvariantCulture)
                : process.PeakWorkingSet64;
        }
    }
}
