using System.Text.Json;
using Tessera.Checkpoints;
using Tessera.Models;
using Tessera.Nn;

namespace Tessera.Benchmarks;

/// <summary>What all sides of a benchmark are given before they begin.</summary>
internal static class Preparation
{
    /// <summary>Writes the weights of a model, random ones always the same, and prints what it costs.</summary>
    internal static void Write(Func<Backbone> build, string target) =>
        Write(
            () =>
            {
                var model = build();
                return (model, model.Channels, model.ImageSize.Height, model.Classes);
            },
            target
        );

    /// <summary>The same of a network for square images.</summary>
    internal static void Write(Func<(Layer Model, int Channels, int Side, int Classes)> build, string target)
    {
        Torch.Seed(1);
        var (model, channels, side, classes) = build();
        Checkpoint.SaveSafetensors(target, model.StateDict().ToCheckpoint());
        model.Eval();
        using var outside = Torch.NoGrad();
        using var count = new OperationCount();
        model.Call(Torch.Zeros([1, channels, side, side])).Dispose();
        Console.WriteLine(
            JsonSerializer.Serialize(
                new
                {
                    macs = count.Macs,
                    parameters = model.Parameters().Sum(parameter => parameter.Elements),
                    side,
                    classes,
                }
            )
        );
    }
}
