using System.Diagnostics;
using System.Text.Json;
using Tessera.Cli.Shell;
using Tessera.Models.Measurement;

namespace Tessera.Cli.Comparison;

/// <summary>Measures a model in a separate process, which isolates its peak memory.</summary>
internal static class MeasuringProcess
{
    internal const string Option = "--alone";

    internal static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.General);

    /// <summary>Starts this program once more and waits.</summary>
    /// <param name="model">Name in the registry.</param>
    /// <param name="options">What it is measured with.</param>
    /// <param name="stop">Ends it.</param>
    /// <exception cref="MeasurementException">The model cannot be measured; the message is the other process's.</exception>
    internal static ModelMeasurement Measure(string model, MeasurementOptions options, CancellationToken stop)
    {
        var start = new ProcessStartInfo(Environment.ProcessPath!) { RedirectStandardOutput = true, RedirectStandardError = true };
        // Under the host it is the program that has to be named first.
        if (Path.GetFileNameWithoutExtension(Environment.ProcessPath) == "dotnet")
            start.ArgumentList.Add(typeof(MeasuringProcess).Assembly.Location);
        foreach (var argument in (string[])["compare", model, Option, JsonSerializer.Serialize(options, Json)])
            start.ArgumentList.Add(argument);
        using var process = Process.Start(start)
            ?? throw new InvalidOperationException("another process of this program could not be started");
        using var kill = stop.Register(() => Kill(process));
        var error = process.StandardError.ReadToEndAsync(CancellationToken.None);
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        stop.ThrowIfCancellationRequested();
        if (process.ExitCode != ExitCode.Success)
            throw new MeasurementException(Reason(error.GetAwaiter().GetResult(), process.ExitCode));
        return JsonSerializer.Deserialize<ModelMeasurement>(output, Json)
            ?? throw new MeasurementException("the measuring process printed nothing");
    }

    private static void Kill(Process process)
    {
        try
        {
            process.Kill();
        }
        catch (InvalidOperationException)
        {
            // It has ended by itself.
        }
    }

    // The line that it reported, or, for one that a signal ended, which.
    private static string Reason(string error, int code)
    {
        var line = error
            .Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .LastOrDefault(l => l.StartsWith("tessera: ", StringComparison.Ordinal));
        return line is not null ? line["tessera: ".Length..]
            : code == 137 ? "the measuring process was killed, probably for lack of memory"
            : $"the measuring process ended with exit code {code}";
    }
}

/// <summary>A model could not be measured.</summary>
internal sealed class MeasurementException(string message) : Exception(message);
