using System.Diagnostics;
using Tessera.Deploy;
using Tessera.Models;
using Tessera.Search.Costs;
using Tessera.Training;

namespace Tessera.Search.Measuring;

/// <summary>A network that is run for its time. It lives in the scope in which it was made.</summary>
internal sealed class TimedNetwork : IDisposable
{
    private readonly Func<Tensor> call;
    private readonly CompiledModel? compiled;

    /// <summary>Builds it, and runs it for the first time, which makes what later runs share.</summary>
    /// <param name="model">Its weights do not matter.</param>
    /// <param name="settings">In which way it runs.</param>
    /// <exception cref="RunException">It cannot be compiled.</exception>
    internal TimedNetwork(Backbone model, LatencySettings settings)
    {
        model.Eval();
        var images = model.ExampleInput(settings.Batch);
        if (settings.Engine == LatencyEngine.Compiled)
        {
            compiled = Compiled(model, settings);
            call = () => compiled.Call(images);
        }
        else
            call = () =>
            {
                using var cast = settings.Precision.Autocast(Device.Cpu);
                return model.Call(images);
            };
        Seconds();
    }

    private static CompiledModel Compiled(Backbone model, LatencySettings settings)
    {
        try
        {
            return model.Compile(
                new() { Precision = settings.Precision == Precision.Bf16 ? DType.BFloat16 : DType.Float32, Threads = settings.Threads }
            );
        }
        catch (NotSupportedException error)
        {
            throw new RunException($"a network of the space cannot be compiled, and must be measured as it is (eager): {error.Message}");
        }
    }

    /// <summary>Seconds of a run.</summary>
    internal double Seconds()
    {
        using var scope = new Scope();
        var begun = Stopwatch.GetTimestamp();
        call();
        return Stopwatch.GetElapsedTime(begun).TotalSeconds;
    }

    public void Dispose() => compiled?.Dispose();
}
