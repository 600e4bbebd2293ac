using Tessera.Data.Transforms;
using Tessera.Models;
using Tessera.Training.Loop;
using Tessera.Training.Objectives;
using Tessera.Training.Optimization;

namespace Tessera.Training.Experiments;

/// <summary>
/// A short training of a whole network from weights that were probed, by one recipe for all models: AdamW with a cosine, flips and small
/// shifts or crops. It compares beginnings; recipes of a model's page reach more.
/// </summary>
internal static class ShortFineTuning
{
    private const int Batch = 64;

    private const double LearningRate = 5e-4;

    /// <summary>Trains in a folder that is deleted afterwards.</summary>
    /// <param name="probe">Model and data; the model itself stays as it is.</param>
    /// <param name="options">Epochs and seed.</param>
    /// <param name="precision">Type of products; that of the model's training by default.</param>
    /// <param name="told">Receives how far it is.</param>
    /// <param name="stop">Gives up.</param>
    /// <exception cref="OperationCanceledException">It was stopped.</exception>
    internal static FineTuningResult Run(
        FeatureProbe probe,
        ProbeOptions options,
        Precision? precision,
        Action<string>? told,
        CancellationToken stop
    )
    {
        var folder = Path.Combine(Path.GetTempPath(), $"tessera-probe-{Guid.NewGuid():N}");
        try
        {
            using var experiment = Experiment.Begin(
                RecipeFor(probe, options, precision),
                folder,
                happened =>
                {
                    if (happened is StepDone step)
                        told?.Invoke($"fine-tuning: step {step.Step} of {step.Steps}");
                },
                stop: stop
            );
            var result = experiment.Train(stop);
            if (!result.Completed)
                throw new OperationCanceledException(stop);
            return new(options.FineTuningEpochs, result.Last!.Scalars["top1"]);
        }
        finally
        {
            if (Directory.Exists(folder))
                Directory.Delete(folder, recursive: true);
        }
    }

    private static Recipe RecipeFor(FeatureProbe probe, ProbeOptions options, Precision? precision)
    {
        var (height, width) = probe.Bundle.Model.ImageSize;
        var images = (Data.Images.ImageDataset)probe.Training;
        // Images that already have the model's size are shifted; photos are cropped.
        var fits = (images.Height, images.Width) == (height, width);
        var normalization = probe.Bundle.Facts.Normalization;
        return new()
        {
            Model = new(probe.Bundle.Content.Model.Name, ImageSize: [height, width], Weights: probe.Weights, NewHead: true),
            Data = probe.Source with
            {
                Batch = Math.Min(Batch, probe.Training.Count),
                Repeats = 1,
                Sampling = DataSampling.Shuffled,
                Mean = normalization is null ? null : [.. normalization.Mean.Select(value => (double)value)],
                Std = normalization is null ? null : [.. normalization.Deviation.Select(value => (double)value)],
            },
            Augment =
            [
                fits ? (Transform)new RandomCrop(Pad: Math.Max(1, height / 8)) : new RandomResizedCrop(height, MinScale: 0.35),
                new RandomHorizontalFlip(),
            ],
            Objective = new SupervisedOptions(),
            Optimizer = new AdamWOptions(LearningRate),
            Schedule = new CosineOptions(options.FineTuningEpochs),
            Evaluation = new(Every: 0, Split: probe.Test.Split, Batch: probe.Batch, Transforms: probe.Bundle.Content.Preprocessing.Given),
            Train = new(
                Precision: precision ?? probe.Bundle.Content.Precision,
                Device: ModuleDevice.Of(probe.Bundle.Model).ToString(),
                Seed: options.Seed
            ),
        };
    }
}
