using Tessera.Data.Transforms;
using Tessera.Testing;
using Tessera.Training;
using Tessera.Training.Experiments;
using Tessera.Training.Objectives;
using Tessera.Training.Optimization;

namespace Tessera.Hosting.Tests;

/// <summary>A run that has learned to tell photos apart, trained once for all tests that use its model.</summary>
public sealed class TrainedRun : IDisposable
{
    private readonly TempFolder folder = new();

    public TrainedRun()
    {
        Torch.Threads = 1;
        Hosting.Tests.Photos.Write(Photos, Hosting.Tests.Photos.Known, train: 24, test: 8);
        var recipe = new Recipe
        {
            Model = new("cct_2_3x2_32") { ImageSize = [32] },
            Data = new("image_folder")
            {
                Root = Photos,
                Batch = 12,
                Workers = 0,
            },
            Augment = [new Squash(32)],
            Objective = new SupervisedOptions(),
            Optimizer = new AdamWOptions(LearningRate: 2e-3),
            Schedule = new CosineOptions(Epochs: 5),
            Train = new(Threads: 1),
        };
        using var experiment = Experiment.Begin(recipe, Path, happened => Events.Add(happened));
        experiment.Train();
    }

    /// <summary>What happened as it was trained.</summary>
    public List<TrainingEvent> Events { get; } = [];

    /// <summary>The folder of the run.</summary>
    public string Path => folder["run"];

    /// <summary>The folder of the photos, with train and test.</summary>
    public string Photos => folder["photos"];

    /// <summary>Photos that it was not trained on, with their classes.</summary>
    public IReadOnlyList<(string File, string Class)> TestPhotos =>
        [
            .. Directory
                .GetFiles(System.IO.Path.Combine(Photos, "test"), "*.ppm", SearchOption.AllDirectories)
                .Order(StringComparer.Ordinal)
                .Select(file => (file, System.IO.Path.GetFileName(System.IO.Path.GetDirectoryName(file)!))),
        ];

    public void Dispose() => folder.Dispose();
}

/// <summary>Tests that use the same run.</summary>
[CollectionDefinition(Name)]
public sealed class TrainedRunGroup : ICollectionFixture<TrainedRun>
{
    internal const string Name = "trained run";
}
