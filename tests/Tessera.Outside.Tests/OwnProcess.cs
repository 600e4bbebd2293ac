using System.Diagnostics;

namespace Tessera.Outside.Tests;

/// <summary>Runs <see cref="Program"/> in a process of its own.</summary>
internal static class OwnProcess
{
    // What the machine of the tests may have set, and what the program is asked about.
    private static readonly string[] settings =
    [
        "OMP_NUM_THREADS",
        "OMP_WAIT_POLICY",
        "GOMP_SPINCOUNT",
        "UCX_ERROR_SIGNALS",
        "OPENBLAS_CORETYPE",
    ];

    /// <summary>Its standard output.</summary>
    /// <param name="words">What it is asked.</param>
    /// <param name="environment">Variables that it gets; null takes one away.</param>
    /// <param name="before">A command that runs it.</param>
    internal static string Run(string[] words, (string Name, string? Value)[]? environment = null, params string[] before)
    {
        string[] command = [.. before, "dotnet", typeof(OwnProcess).Assembly.Location, .. words];
        var start = new ProcessStartInfo(command[0], command[1..]) { RedirectStandardOutput = true };
        foreach (var (name, value) in settings.Select(name => (name, (string?)null)).Concat(environment ?? []))
            start.Environment[name] = value;
        using var process = Process.Start(start)!;
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        Assert.Equal(0, process.ExitCode);
        return output;
    }
}
