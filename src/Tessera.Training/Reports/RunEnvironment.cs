using System.ComponentModel;
using System.Diagnostics;
using System.Reflection;
using System.Runtime.InteropServices;

namespace Tessera.Training.Reports;

/// <summary>What a result depends on beside the recipe.</summary>
internal static class RunEnvironment
{
    /// <summary>Version of Tessera, without the commit.</summary>
    internal static string Version { get; } =
        typeof(RunEnvironment).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion.Split('+')[0]
        ?? "unknown";

    /// <summary>Versions, machine, threads, variables that change the speed, and the commit that the working folder is at.</summary>
    public static IReadOnlyList<(string Name, string Value)> Describe()
    {
        List<(string, string)> facts =
        [
            ("Tessera", Version),
            ("libtorch", Torch.Version),
            (".NET", RuntimeInformation.FrameworkDescription),
            ("system", RuntimeInformation.OSDescription),
            ("processor", Processor.Read().Name),
            ("cores", $"{Environment.ProcessorCount}, {Torch.Threads} threads of one operator"),
        ];
        if (Cuda.IsAvailable)
            facts.Add(("CUDA devices", $"{Cuda.Count}"));
        foreach (var name in (string[])["OPENBLAS_CORETYPE", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "TESSERA_LIBTORCH"])
            if (Environment.GetEnvironmentVariable(name) is { Length: > 0 } value)
                facts.Add((name, value));
        if (Commit() is { } commit)
            facts.Add(("commit", commit));
        return facts;
    }

    // Null outside of a checkout, or without git.
    private static string? Commit()
    {
        try
        {
            using var git = Process.Start(
                new ProcessStartInfo("git", ["rev-parse", "--short=12", "HEAD"])
                {
                    RedirectStandardOutput = true,
                    RedirectStandardError = true,
                }
            );
            if (git is null)
                return null;
            var commit = git.StandardOutput.ReadToEnd().Trim();
            git.WaitForExit();
            return git.ExitCode == 0 && commit.Length > 0 ? commit : null;
        }
        catch (Win32Exception)
        {
            return null;
        }
    }
}
