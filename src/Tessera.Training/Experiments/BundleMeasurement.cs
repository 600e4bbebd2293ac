using Tessera.Data;
using Tessera.Data.Images;
using Tessera.Data.Loading;
using Tessera.Data.Sets;
using Tessera.Models;
using Tessera.Training.Bundles;
using Tessera.Training.Loop;
using Tessera.Training.Runs;
using Tessera.Training.Tasks;

namespace Tessera.Training.Experiments;

/// <summary>The data for an evaluation; null stands for the setting of the run.</summary>
/// <param name="Name">Data set.</param>
/// <param name="Root">Folder of its files.</param>
/// <param name="Split">Split of the data set.</param>
/// <param name="Limit">Only the first so many samples.</param>
public sealed record MeasuredPart(string? Name = null, string? Root = null, string? Split = null, int? Limit = null);

/// <summary>A model with the data that it is measured on.</summary>
/// <param name="Bundle">The model.</param>
/// <param name="Data">Prepared for a loader.</param>
/// <param name="Batch">Samples at a time.</param>
/// <param name="UnreadableLimit">How many of the samples may be unreadable.</param>
public sealed record BundleMeasurement(ModelBundle Bundle, LoadableDataset Data, int Batch, UnreadableLimit UnreadableLimit)
{
    /// <summary>The model of a run, on the data of its recipe or on other data.</summary>
    /// <param name="folder">Folder of the run, or of a bundle; a bundle alone needs the name of a data set.</param>
    /// <param name="bundle">The model.</param>
    /// <param name="part">Which data.</param>
    /// <exception cref="RunException">No data is named, the model does not fit it, or its classifier was never trained.</exception>
    /// <exception cref="DataException">The data is missing or malformed.</exception>
    public static BundleMeasurement OfRun(string folder, ModelBundle bundle, MeasuredPart part)
    {
        bundle.RequireClassifier();
        var run = new RunFolder(folder);
        var recipe = run.Exists ? Recipe.Load(run.RecipePath) : null;
        if (recipe is null && part.Name is null)
            throw new RunException($"{folder} is a bundle without a run: a data set must be named");
        var evaluation = recipe?.Evaluation ?? new();
        var source = part is { Name: null, Root: null } ? recipe!.Data : new DataRecipe(part.Name ?? recipe!.Data.Name, Root: part.Root);
        var opened = DataRecipe.First(source.Open(part.Split ?? evaluation.Split), part.Limit);
        var data = bundle.Task.Prepare(opened, bundle.Facts);
        // What the recipe does with its own data fits by itself.
        if (part.Name is not null)
            Check(bundle, data);
        return new(bundle, data, evaluation.Batch, source.Unreadable);
    }

    /// <summary>A model of the registry with weights of a file, on images of a data set.</summary>
    /// <param name="variant">Which model.</param>
    /// <param name="weights">The file.</param>
    /// <param name="part">Which data; it must be named.</param>
    /// <param name="device">Where the model shall compute.</param>
    /// <exception cref="DataException">The data is missing or malformed, or holds no images.</exception>
    public static BundleMeasurement OfWeights(Variant variant, string weights, MeasuredPart part, Device? device = null)
    {
        var images = Datasets.OpenImages(part.Name!, part.Split ?? "test", part.Root);
        var data = (ImageDataset)DataRecipe.First(images, part.Limit);
        var task = TaskKind.DefaultFor(data);
        var bundle = ModelBundle.FromWeights(variant, weights, (ImageFacts)task.FactsOf(data), device: device);
        var unreadableLimit = new DataRecipe(part.Name!).Unreadable;
        return new(bundle with { Content = bundle.Content with { Task = task } }, data, new EvaluationOptions().Batch, unreadableLimit);
    }

    private static void Check(ModelBundle bundle, LoadableDataset data)
    {
        if (bundle.Model.Classes != data.ClassNames.Count)
            throw new RunException($"{data.Name} must have the {bundle.Model.Classes} classes of the model, not {data.ClassNames.Count}");
        if (bundle.Task.FactsOf(data).ModelDefaults.Channels is { } channels && channels != bundle.Model.Channels)
            throw new RunException($"{data.Name} must have the {bundle.Model.Channels} channels of the model, not {channels}");
    }

    /// <summary>Measures.</summary>
    /// <param name="precision">Type of products; that of the training by default.</param>
    /// <param name="batch">Samples at a time; null for <see cref="Batch"/>.</param>
    /// <param name="predict">Gives the logits of inputs instead of the model: the same, compiled. Null for the model.</param>
    /// <param name="done">Told the number of samples so far.</param>
    /// <param name="stop">Gives up between two batches.</param>
    public Metrics Run(
        Precision? precision = null,
        int? batch = null,
        Func<Tensor, Tensor>? predict = null,
        Action<int>? done = null,
        CancellationToken stop = default
    )
    {
        var loader = new Loader(
            Data,
            Bundle.PipelineFor(Bundle.Facts.OfSizeOf(Bundle.Task.FactsOf(Data))),
            batch ?? Batch,
            unreadableLimit: UnreadableLimit,
            replacement: Replacement.None
        );
        var evaluator = Bundle.Task.CreateEvaluator(Bundle.Model, Bundle.Facts, predict);
        return Measurement.Run(Bundle.Model, loader.Epoch(0), evaluator, precision ?? Bundle.Content.Precision, done, stop: stop);
    }
}
