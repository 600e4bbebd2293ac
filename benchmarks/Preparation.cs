using System.Text.Json;
using Tessera.Checkpoints;
using Tessera.Models;

namespace Tessera.Benchmarks;

/// <summary>What all sides of a benchmark are given before they begin.</summary>
internal static class Preparation
{
    /// <summary>Writes the weights of a model, random ones always the same, and prints what it costs.</summary>
    internal static void Write(Func<Backbone> build, string target)
    {
        Torch.Seed(1);
        var model = build();
        Checkpoint.SaveSafetensors(target, model.StateDict().ToCheckpoint());
        model.Eval();
        using var outside = Torch.NoGrad();
        using var count = new OperationCount();
        model.Call(Torch.Zeros([1, model.Channels, model.ImageSize.Height, model.ImageSize.Width])).Dispose();
        Console.WriteLine(
            JsonSerializer.Serialize(
                new
                {
                    macs = count.Macs,
                    parameters = model.ParameterCount,
                    side = model.ImageSize.Height,
                    classes = model.Classes,
                }
            )
        );
    }
}
