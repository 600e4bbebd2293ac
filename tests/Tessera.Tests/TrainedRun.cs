using Tessera.Testing;
using Tessera.Training.Experiments;

namespace Tessera.Hosting.Tests;

/// <summary>A run that has learned to tell photos apart, trained once for all tests that use its model.</summary>
public sealed class TrainedRun : IDisposable
{
    private readonly TempFolder folder = new();

    public TrainedRun()
    {
        Torch.Threads = 1;
        Hosting.Tests.Photos.Write(Photos, Hosting.Tests.Photos.Known, train: 24, test: 8);
        var recipe = folder.Write(
            "recipe.yaml",
            $$"""
            model: { name: cct_2_3x2_32, image_size: 32 }
            data: { name: image_folder, batch: 12, root: {{Photos}}, workers: 0 }
            augment: [ { name: resize, size: 32 }, { name: center_crop, size: 32 } ]
            objective: supervised
            optimizer: { name: adamw, lr: 2e-3 }
            schedule: { name: cosine, epochs: 5 }
            train: { threads: 1 }
            """
        );
        using var experiment = Experiment.Begin(recipe, [], Path);
        experiment.Train();
    }

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
