using System.Text.Json;

namespace Tessera.Cli.Tests;

/// <summary>A tiny run that several tests look at.</summary>
public sealed class TrainedRun : IDisposable
{
    public TrainedRun() =>
        Result = Place
            .Run(
                Place.Train(
                    "--set",
                    "schedule.epochs=6",
                    "--set",
                    "optimizer.lr=3e-3",
                    "--set",
                    "augment=[]",
                    "--set",
                    "train.ema=0.5",
                    "--out",
                    Name,
                    "--json"
                )
            )
            .Succeeded()
            .Json;

    internal const string Name = "run";

    internal Workplace Place { get; } = new();

    /// <summary>What training printed.</summary>
    internal JsonElement Result { get; }

    internal string Folder => Path.Combine(Place.Folder, Name);

    internal string Weights =>
        Directory.EnumerateFiles(Path.Combine(Folder, "checkpoints"), "model.safetensors", SearchOption.AllDirectories).Order().Last();

    public void Dispose() => Place.Dispose();
}
