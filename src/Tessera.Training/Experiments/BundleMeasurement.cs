using Tessera.Data;
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
/// <param name="Split">Split of the data set; by default that of the run, or test, or validation where there is no test split.</param>
/// <param name="Limit">At most this number of samples, of all classes in proportion to their size.</param>
public sealed record MeasuredPart(string? Name = null, string? Root = null, string? Split = null, int? Limit = null);

/// <summary>A model with the data that it is measured on.</summary>
/// <param name="Bundle">The model.</param>
/// <param name="Data">Prepared for a loader.</param>
/// <param name="Batch">Samples at a time.</param>
/// <param name="UnreadableLimit">How many of the samples may be unreadable.</param>
public sealed record BundleMeasurement(ModelBundle Bundle, LoadableDataset Data, int Batch, UnreadableLimit UnreadableLimit)
{
    /// <summary>What a user should know of the measurement, a line each.</summary>
    public IReadOnlyList<string> Remarks { get; private init; } = [];

    /// <summary>The model of a run, on the data of its recipe or on other data.</summary>
    /// <param name="folder">Folder of the run, or of a bundle; a bundle alone needs the name of a data set.</param>
    /// <param name="bundle">The model.</param>
    /// <param name="part">Which data.</param>
    /// <param name="stop">Ends a long search for the data.</param>
    /// <exception cref="RunException">No data is named, the model does not fit it, or its classifier was never trained.</exception>
    /// <exception cref="DataException">
    /// The data is missing or malformed, or has samples of a class that the model does not know.
    /// </exception>
    public static BundleMeasurement OfRun(string folder, ModelBundle bundle, MeasuredPart part, CancellationToken stop = default)
    {
        if (bundle.Task.Descriptor is null)
            bundle.RequireClassifier();
        var run = new RunFolder(folder);
        var recipe = run.Exists ? Recipe.OfRun(run.RecipePath) : null;
        if (recipe is null && part.Name is null)
            throw new RunException($"{folder} is a bundle without a run: a data set must be named");
        var evaluation = recipe?.Evaluation ?? new();
        var source = part is { Name: null, Root: null } ? recipe!.Data : new DataRecipe(part.Name ?? recipe!.Data.Name, Root: part.Root);
        // A split of the run need not be there in other data.
        var split = part.Split ?? (part is { Name: null, Root: null } ? evaluation.Split : null) ?? source.MeasuredSplit();
        var data = bundle.Task.Prepare(source.Limited(source.Open(split, stop), part.Limit), bundle.Facts);
        return new(bundle, data, evaluation.Batch, source.Unreadable) { Remarks = RemarksOn(data) };
    }

    /// <summary>A model of the registry with weights of a file, on a data set.</summary>
    /// <param name="variant">Which model.</param>
    /// <param name="weights">The file.</param>
    /// <param name="part">Which data; it must be named.</param>
    /// <param name="classes">
    /// Name per class of the weights. Without them, the classes that the model's weights are published for where these hold all of the
    /// data's, else the data's in their order, which the remarks say.
    /// </param>
    /// <param name="device">Where the model shall compute.</param>
    /// <param name="stop">Ends a long search for the data.</param>
    /// <exception cref="DataException">
    /// The data is missing or malformed, or has samples of a class that the model does not know.
    /// </exception>
    public static BundleMeasurement OfWeights(
        Variant variant,
        WeightsFile weights,
        MeasuredPart part,
        IReadOnlyList<string>? classes = null,
        Device? device = null,
        CancellationToken stop = default
    )
    {
        var source = new DataRecipe(part.Name!, Root: part.Root);
        var opened = source.Limited(source.Open(part.Split ?? source.MeasuredSplit(), stop), part.Limit);
        var task = TaskKind.DefaultFor(opened);
        var seen = task.FactsOf(task.Prepare(opened));
        var published = PublishedClasses.Of(variant.Dataset);
        // Without classes, the classifier of the weights is left out.
        var known = task.Descriptor is not null
            ? []
            : classes ?? (published is not null && !new ClassMapping(opened.ClassNames, published).Unknown.Any() ? published : null);
        var bundle = ModelBundle.FromWeights(variant, weights, known ?? opened.ClassNames, seen, task, device);
        var data = task.Prepare(opened, bundle.Facts);
        return new(bundle, data, new EvaluationOptions().Batch, source.Unreadable)
        {
            Remarks =
            [
                .. known is null
                    ? (string[])["the weights name no classes: they are taken to be those of the data, in the order of their names"]
                    : [],
                .. RemarksOn(data),
            ],
        };
    }

    private static IReadOnlyList<string> RemarksOn(Dataset data)
    {
        string[] absent =
        [
            .. (data.Annotations.SamplesPerClass ?? [])
                .Index()
                .Where(entry => entry.Item == 0)
                .Select(entry => data.ClassNames[entry.Index]),
        ];
        return [.. data.Remarks, .. absent.Length == 0 ? [] : (string[])[$"there are no samples of {ClassMapping.Named(absent)}"]];
    }

    /// <summary>What happens to the samples before the model.</summary>
    public Data.Transforms.Pipeline Pipeline => Bundle.PipelineFor(Bundle.Task.FactsOf(Data));

    /// <summary>Measures.</summary>
    /// <param name="precision">Type of products; that of the training by default.</param>
    /// <param name="batch">Samples at a time; null for <see cref="Batch"/>.</param>
    /// <param name="predict">Gives the logits of inputs instead of the model: the same, compiled. Null for the model.</param>
    /// <param name="done">Told the number of samples so far.</param>
    /// <param name="stop">Gives up between two batches.</param>
    /// <exception cref="OperationCanceledException">It was stopped.</exception>
    public Metrics Run(
        Precision? precision = null,
        int? batch = null,
        Func<Tensor, Tensor>? predict = null,
        Action<int>? done = null,
        CancellationToken stop = default
    )
    {
        var loader = new Loader(Data, Pipeline, new(batch ?? Batch) { UnreadableLimit = UnreadableLimit, Replacement = Replacement.None });
        var evaluator = Bundle.Task.CreateEvaluator(Bundle.Model, Bundle.Facts, predict);
        return Measurement.Run(
            Bundle.Model,
            loader.Epoch(0, stop: stop),
            evaluator,
            precision ?? Bundle.Content.Precision,
            done,
            stop: stop
        );
    }
}
