using System.Diagnostics;

namespace Tessera.Packages.Tests;

/// <summary>What a command wrote, and how it ended.</summary>
/// <param name="Code">Its exit code.</param>
/// <param name="Output">Its standard output.</param>
/// <param name="Error">Its standard error.</param>
internal sealed record Ended(int Code, string Output, string Error)
{
    /// <summary>Both, for a message.</summary>
    internal string All => Output + Error;
}

/// <summary>Runs commands as a user does who knows nothing of this checkout.</summary>
internal static class Commands
{
    internal static Ended Run(string folder, IReadOnlyList<string> line, params (string Name, string Value)[] environment)
    {
        var start = new ProcessStartInfo(line[0], line.Skip(1))
        {
            WorkingDirectory = folder,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        // Those of this run would lead into the checkout, and those of MSBuild to the settings of the tests' own build.
        foreach (var name in start.Environment.Keys.Where(IsOurs).ToArray())
            start.Environment.Remove(name);
        start.Environment["DOTNET_CLI_TELEMETRY_OPTOUT"] = "1";
        start.Environment["DOTNET_NOLOGO"] = "1";
        start.Environment["MSBUILDDISABLENODEREUSE"] = "1";
        foreach (var (name, value) in environment)
            start.Environment[name] = value;
        using var process = Process.Start(start)!;
        var error = process.StandardError.ReadToEndAsync();
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return new(process.ExitCode, output, error.Result);
    }

    /// <summary>The output of a command that has to end well.</summary>
    internal static string Output(string folder, params string[] line)
    {
        var ended = Run(folder, line);
        Assert.True(ended.Code == 0, $"{string.Join(' ', line)}\n{ended.All}");
        return ended.Output;
    }

    private static bool IsOurs(string name) =>
        name.StartsWith("TESSERA_", StringComparison.Ordinal)
        || name.StartsWith("MSBUILD", StringComparison.OrdinalIgnoreCase)
        || name.StartsWith("VSTEST", StringComparison.OrdinalIgnoreCase)
        || name is "OMP_WAIT_POLICY" or "GOMP_SPINCOUNT" or "UCX_ERROR_SIGNALS";
}
