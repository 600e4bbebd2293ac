using Microsoft.Extensions.Options;
using Tessera.Models;
using Tessera.Training;

namespace Tessera.Hosting;

/// <summary>Finds what is wrong with options before a model is loaded.</summary>
internal sealed class PredictorOptionsValidator : IValidateOptions<PredictorOptions>
{
    public ValidateOptionsResult Validate(string? name, PredictorOptions options)
    {
        var head = string.IsNullOrEmpty(name) ? "Tessera" : $"Tessera model '{name}'";
        string[] problems = [.. Problems(options).Select(problem => $"{head}: {problem}")];
        return problems.Length == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(problems);
    }

    /// <summary>Everything that is wrong, a sentence each.</summary>
    internal static IEnumerable<string> Problems(PredictorOptions options)
    {
        var (hasRun, hasWeights) = (options.Run is { Length: > 0 }, options.Weights is { Length: > 0 });
        var source =
            hasRun && hasWeights ? "only one of Run and Weights can be given"
            : hasRun ? OfRun(options.Run!, options)
            : hasWeights ? OfWeights(options.Weights!, options)
            : "Run (the folder of a run or bundle) or Weights (a file of weights) must be given";
        return source is null ? ProblemsBesideSource(options) : ProblemsBesideSource(options).Prepend(source);
    }

    /// <summary>Everything that is wrong where the model is there already, and options say how it is used alone.</summary>
    internal static IEnumerable<string> ProblemsOfUse(PredictorOptions options)
    {
        var unset = new PredictorOptions();
        var isSource =
            options is not { Run: null, Weights: null, Model: null, Classes.Count: 0, Best: false, Ema: false }
            || options.Device != unset.Device;
        var problems = ProblemsBesideSource(options);
        return isSource
            ? problems.Prepend("Run, Weights, Model, Classes, Best, Ema and Device must be left alone: the model is there already")
            : problems;
    }

    private static IEnumerable<string> ProblemsBesideSource(PredictorOptions options)
    {
        if (OfDevice(options) is { } device)
            yield return device;
        foreach (var (field, value) in Counts(options))
            if (value < 1)
                yield return $"{field} must be at least 1, not {value}";
        if (options is { Threads: not null, Compiled: false })
            yield return "Threads is for compiled models: Torch.Threads sets the threads of others";
    }

    private static (string Field, int? Value)[] Counts(PredictorOptions options) =>
        [
            (nameof(options.Threads), options.Threads),
            (nameof(options.Concurrency), options.Concurrency),
            (nameof(options.QueueLimit), options.QueueLimit),
            (nameof(options.Top), options.Top),
        ];

    private static string? OfRun(string run, PredictorOptions options)
    {
        if (options.Model is not null || options.Classes.Count > 0)
            return "Model and Classes are for Weights: a run has its own";
        return Directory.Exists(run) ? null : $"{run}: there is no such folder of a run or bundle";
    }

    private static string? OfWeights(string weights, PredictorOptions options)
    {
        if (options.Model is not { Length: > 0 } model)
            return "Model must be given with Weights: the name of the model that they are for";
        if (options.Best)
            return "Best is for Run: a file has one set of weights";
        try
        {
            Registry.Get(model);
        }
        catch (UnknownModelException error)
        {
            return error.Message;
        }
        return Path.Exists(weights) ? null : $"{weights}: there is no such file of weights";
    }

    private static string? OfDevice(PredictorOptions options)
    {
        try
        {
            var device = Device.Parse(options.Device);
            var onCpu = device.Type == DeviceType.Cpu;
            if (!onCpu && options.Compiled == true)
                return $"Compiled is for the CPU: it cannot be true with Device {device}";
            return onCpu && options.Precision == Precision.Fp16
                ? "Precision Fp16 needs Device cuda: on the CPU it must be Fp32 or Bf16"
                : null;
        }
        catch (FormatException error)
        {
            return error.Message;
        }
    }
}
