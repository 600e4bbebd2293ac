using Tessera.Models;
using Tessera.Training;
using Tessera.Training.Bundles;
using Tessera.Training.Experiments;
using Tessera.Training.Runs;

namespace Tessera.Search.Methods;

/// <summary>A trained supernet on the samples that candidates are scored on.</summary>
internal sealed class SupernetMeasurement
{
    private readonly BundleMeasurement measurement;

    /// <summary>The settings of a supernet's training, if the method can use them.</summary>
    /// <param name="training">The settings.</param>
    /// <exception cref="ArgumentException">They have an objective, or an average of the weights.</exception>
    internal static TrainingSettings Checked(TrainingSettings training) =>
        training.Objective is not null ? throw new ArgumentException("supernet.objective must be left out: the method has its own")
        : training.Train?.Averages == true
            ? throw new ArgumentException(
                "supernet.train.ema must be left out: networks are scored by the weights at the end of the training"
            )
        : training;

    /// <summary>Opens weights and samples.</summary>
    /// <param name="context">The search.</param>
    /// <param name="stage">The stage that has trained the supernet.</param>
    /// <param name="training">How.</param>
    /// <param name="images">Samples at most, of all classes in proportion; null for all.</param>
    internal SupernetMeasurement(SearchContext context, string stage, TrainingSettings training, int? images)
    {
        var folder = context.FolderOf(stage);
        Bundle = ModelBundle.Load(new RunFolder(folder).BundlePath, Device.Parse((training.Train ?? new()).Device));
        measurement = BundleMeasurement.OfRun(folder, Bundle, new(Split: DataRecipe.HeldOut, Limit: images));
    }

    /// <summary>The supernet.</summary>
    internal ModelBundle Bundle { get; }

    /// <summary>Number of samples.</summary>
    internal int Count => measurement.Data.Count;

    /// <summary>The primary score of the task, top-1 of a classifier.</summary>
    /// <param name="predict">The logits of images.</param>
    /// <param name="stop">Gives up.</param>
    internal double Score(Func<Tensor, Tensor> predict, CancellationToken stop)
    {
        var score = measurement.Run(predict: predict, stop: stop).Score;
        return score.HigherIsBetter
            ? score.Value
            : throw new RunException($"networks cannot be searched by {score.Name}, of which less is better");
    }

    /// <summary>A share of the samples as a score with its standard error.</summary>
    /// <param name="value">The share.</param>
    internal CandidateScore Scored(double value) => new(value, Math.Sqrt(value * (1 - value) / Count));

    /// <summary>The supernet as what its method has trained.</summary>
    /// <typeparam name="T">Its type.</typeparam>
    internal T Supernet<T>()
        where T : Backbone =>
        Bundle.Model as T ?? throw new RunException($"{Bundle.Source}: {Bundle.Content.Model.Title} is no {typeof(T).Name}");
}
