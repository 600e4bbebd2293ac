using System.Text.Json;
using Tessera.Cli.Shell;
using Tessera.Training.Reports;

namespace Tessera.Cli.Machine;

/// <summary>
/// The measured peak of this machine, kept in a file of the user's cache folder so that not every training has to measure:
/// by processor, threads, libtorch, type, and the settings that change it.
/// </summary>
/// <param name="path">The file.</param>
internal sealed class PeakCache(string path)
{
    private static readonly string[] Settings = ["OPENBLAS_CORETYPE", "ATEN_CPU_CAPABILITY"];

    /// <summary>That of the user: <c>$XDG_CACHE_HOME/tessera/peak.json</c>, else below <c>~/.cache</c>.</summary>
    internal static PeakCache OfUser()
    {
        var cache = Environment.GetEnvironmentVariable("XDG_CACHE_HOME") is { Length: > 0 } given
            ? given
            : Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".cache");
        return new(Path.Combine(cache, "tessera", "peak.json"));
    }

    /// <summary>The peak in 10^9 operations a second, measured when it is not known yet, which takes up to a second.</summary>
    /// <param name="type">float32 or bfloat16.</param>
    /// <param name="device">Where.</param>
    internal double Gflops(DType type, Device device) =>
        Read().TryGetValue(Key(type, device), out var known) ? known : Remember(type, device, PeakMeasurement.Gflops(type, device));

    /// <summary>Keeps a measurement, unless a higher one is known: a machine that was busy meanwhile shows less than it can.</summary>
    /// <returns>The higher one.</returns>
    internal double Remember(DType type, Device device, double measured)
    {
        var all = Read();
        var key = Key(type, device);
        var best = Math.Max(measured, all.GetValueOrDefault(key));
        all[key] = best;
        try
        {
            AtomicFile.Write(path, JsonSerializer.SerializeToUtf8Bytes(all));
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            // Without a place to keep it the next training measures again.
            return best;
        }
        return best;
    }

    private static string Key(DType type, Device device) =>
        string.Join(
            "; ",
            [
                device.Type == DeviceType.Cpu ? $"{Processor.Read().Name}, {Torch.Threads} threads" : $"{device}",
                $"libtorch {Torch.Version}",
                // The kernels that OpenBLAS has chosen make the peak.
                .. device.Type == DeviceType.Cpu && BlasLibrary.Find().Core is { } core ? [$"OpenBLAS for {core}"] : Array.Empty<string>(),
                $"{type}",
                .. Settings
                    .Select(name => (name, Value: Environment.GetEnvironmentVariable(name)))
                    .Where(setting => !string.IsNullOrEmpty(setting.Value))
                    .Select(setting => $"{setting.name}={setting.Value}"),
            ]
        );

    private Dictionary<string, double> Read()
    {
        try
        {
            return File.Exists(path) ? JsonSerializer.Deserialize<Dictionary<string, double>>(File.ReadAllBytes(path)) ?? [] : [];
        }
        catch (Exception error) when (error is JsonException or IOException or UnauthorizedAccessException)
        {
            // A damaged cache is no reason to stop: it is measured again and written over.
            return [];
        }
    }
}
