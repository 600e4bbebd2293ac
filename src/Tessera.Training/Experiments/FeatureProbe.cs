using Tessera.Data;
using Tessera.Data.Loading;
using Tessera.Data.Transforms;
using Tessera.Models;
using Tessera.Training.Bundles;
using Tessera.Training.Loop;
using Tessera.Training.Objectives;
using Tessera.Training.Probes;
using Tessera.Training.Runs;
using Tessera.Training.Tasks;

namespace Tessera.Training.Experiments;

/// <summary>
/// Measures the features of a model that stays as it is: the vectors that its classifier would see, of un-augmented images, with the
/// model in evaluation mode. Its classifier need not be trained, and its classes need not be those of the data.
/// </summary>
/// <param name="Bundle">The model.</param>
/// <param name="Training">Training samples with one class each.</param>
/// <param name="Test">Samples to measure on, of the same classes.</param>
/// <param name="Source">Where the data comes from.</param>
/// <param name="Batch">Samples at a time.</param>
public sealed record FeatureProbe(ModelBundle Bundle, LoadableDataset Training, LoadableDataset Test, DataRecipe Source, int Batch)
{
    private TaskKind Task => TaskKind.DefaultFor(Training);

    private DataFacts Facts => Bundle.Facts with { Classes = Training.ClassNames };

    /// <summary>Epochs that the model was trained for; null where that is not known.</summary>
    public int? TrainedEpochs { get; private init; }

    /// <summary>The method that it was trained by; null where that is not known.</summary>
    public string? Method { get; private init; }

    /// <summary>What a user should know of the measurement, a line each.</summary>
    public IReadOnlyList<string> Remarks { get; private init; } = [];

    /// <summary>The model of a run or a bundle, on the data of its recipe or on other data.</summary>
    /// <param name="folder">Folder of the run, or of a bundle; a bundle alone needs the name of a data set.</param>
    /// <param name="bundle">The model.</param>
    /// <param name="part">Which data: its limit is of the samples that are measured.</param>
    /// <param name="trainingLimit">Training samples at most, of all classes in proportion to their size; null for all.</param>
    /// <param name="stop">Ends a long search for the data.</param>
    /// <exception cref="RunException">
    /// No data is named, the model is no backbone for images, or samples do not have one class each.
    /// </exception>
    /// <exception cref="DataException">The data is missing or malformed.</exception>
    public static FeatureProbe OfRun(
        string folder,
        ModelBundle bundle,
        MeasuredPart part,
        int? trainingLimit = null,
        CancellationToken stop = default
    )
    {
        var run = new RunFolder(folder);
        var recipe = run.Exists ? Recipe.OfRun(run.RecipePath) : null;
        if (recipe is null && part.Name is null)
            throw new RunException($"{folder} is a bundle without a run: a data set must be named");
        var own = part is { Name: null, Root: null };
        var source = own ? recipe!.Data : new DataRecipe(part.Name ?? recipe!.Data.Name, Root: part.Root);
        var split = part.Split ?? (own ? recipe!.Evaluation.Split : null);
        return Of(bundle, source, part with { Split = split }, trainingLimit, recipe?.Evaluation.Batch, stop) with
        {
            TrainedEpochs = EpochsOf(run),
            Method = recipe is null ? null : Recipes.RecipeShape.MessageName(recipe.Objective.GetType()),
        };
    }

    // As many as were begun, which may be fewer than the recipe has.
    private static int? EpochsOf(RunFolder run) =>
        File.Exists(run.LogPath) ? (int?)RunLog.Read(run.LogPath).LastOrDefault(line => (string?)line["kind"] == "step")?["epoch"] : null;

    /// <summary>A model of the registry with weights of a file; those of a classifier, if there are any, are not looked at.</summary>
    /// <param name="variant">Which model.</param>
    /// <param name="weights">The file.</param>
    /// <param name="part">Which data; it must be named.</param>
    /// <param name="trainingLimit">Training samples at most; null for all.</param>
    /// <param name="device">Where the model shall compute.</param>
    /// <param name="stop">Ends a long search for the data.</param>
    /// <exception cref="RunException">The model is no backbone for images, or samples do not have one class each.</exception>
    /// <exception cref="DataException">The data is missing or malformed.</exception>
    /// <exception cref="StateDictException">The weights are not those of this model.</exception>
    public static FeatureProbe OfWeights(
        Variant variant,
        WeightsFile weights,
        MeasuredPart part,
        int? trainingLimit = null,
        Device? device = null,
        CancellationToken stop = default
    )
    {
        var source = new DataRecipe(part.Name!, Root: part.Root);
        var opened = source.OpenTraining(stop);
        var task = TaskKind.DefaultFor(Labelled(opened));
        var seen = task.FactsOf(task.Prepare(opened));
        var options = seen.ModelDefaults with { Classes = opened.ClassNames.Count };
        var model = task.CreateModel(new(variant.Name, options));
        var loaded = model.Load(weights.File, new() { Find = weights.Find, ReplaceHead = true }, stop);
        model.To(device ?? Device.Cpu);
        model.Eval();
        var facts = task.FactsOfWeights(variant, model, opened.ClassNames, seen);
        var content = new BundleContent(new(variant.Name, options), task, facts, EvaluationTransforms.Of(variant), Precision.Fp32, false);
        return Of(new(model, content, weights.File) { Notes = loaded.Notes }, source, part, trainingLimit, null, stop) with
        {
            Weights = weights,
        };
    }

    /// <summary>The file that a short fine-tuning begins with.</summary>
    internal WeightsFile Weights { get; init; } = Bundle.Source;

    private static FeatureProbe Of(
        ModelBundle bundle,
        DataRecipe source,
        MeasuredPart part,
        int? trainingLimit,
        int? batch,
        CancellationToken stop
    )
    {
        if (!bundle.Backbone.TakesImages)
            throw new RunException($"{bundle.Source}: {bundle.Content.Model.Title} takes texts, and features are probed of images");
        source = source with { Limit = trainingLimit ?? source.Limit };
        var training = Labelled(source.OpenTraining(stop));
        var split = part.Split ?? source.MeasuredSplit();
        var test = Labelled(source.Limited(source.Open(split, stop), part.Limit));
        var task = TaskKind.DefaultFor(training);
        var facts = bundle.Facts with { Classes = training.ClassNames };
        return new(bundle, task.Prepare(training, facts), task.Prepare(test, facts), source, batch ?? new EvaluationOptions().Batch)
        {
            Remarks =
            [
                $"features are the {bundle.Backbone.NumFeatures} numbers that a classifier would see, before any projection head",
                $"the classifiers know {training.Count} samples of {training.Name} ({training.Split})",
            ],
        };
    }

    private static Dataset Labelled(Dataset data) =>
        data.Annotations is ClassLabels { ClassNames.Count: > 1 }
            ? data
            : throw new RunException(
                $"{data.Name} ({data.Split}): features are probed with samples of at least two classes, one class each, which it does not "
                    + "have: another data set must be named"
            );

    /// <summary>What happens to samples before the model.</summary>
    /// <param name="data">Training or test samples.</param>
    public Pipeline PipelineFor(LoadableDataset data) =>
        Task.EvaluationPipeline(Bundle.Model, Facts, Bundle.Content.Preprocessing, Task.FactsOf(data));

    /// <summary>SHA-256 of all weights and buffers of the model by their names, in lower-case hexadecimal.</summary>
    public string Hash() => WeightsHash.Of(Bundle.Model);

    /// <summary>Measures; the same for the same seed, bit for bit on one machine.</summary>
    /// <param name="options">What and how.</param>
    /// <param name="precision">Type of the model's products; that of its training by default. Classifiers compute in float32.</param>
    /// <param name="batch">Samples at a time; null for <see cref="Batch"/>.</param>
    /// <param name="told">Receives what is being done.</param>
    /// <param name="stop">Gives up.</param>
    /// <exception cref="OperationCanceledException">It was stopped.</exception>
    /// <exception cref="InvalidOperationException">The model's weights changed meanwhile.</exception>
    public ProbeResult Run(
        ProbeOptions options,
        Precision? precision = null,
        int? batch = null,
        Action<string>? told = null,
        CancellationToken stop = default
    )
    {
        using var scope = new Scope();
        var before = Hash();
        var bank = Gather(Training, "training", precision, batch, told, stop);
        var test = Gather(Test, "test", precision, batch, told, stop);
        var (features, labels, queries, truth) = (bank.Features, bank.Labels, test.Features, test.Labels);
        var classes = Training.ClassNames.Count;
        var result = new ProbeResult(test.Count, bank.Count, (int)features.Size(1), FeatureSpread.Of(features));
        if (options.Kinds.Contains(ProbeKind.Knn))
        {
            told?.Invoke("nearest neighbours");
            var (weighted, plain) = (Math.Min(options.Neighbors, bank.Count), Math.Min(options.PlainNeighbors, bank.Count));
            result = result with
            {
                WeightedKnn = new(
                    weighted,
                    options.Temperature,
                    Share(NearestNeighbors.WeightedScores(queries, features, labels, classes, weighted, options.Temperature), truth)
                ),
                PlainKnn = new(plain, null, Share(NearestNeighbors.Votes(queries, features, labels, classes, plain), truth)),
            };
        }
        if (options.Kinds.Contains(ProbeKind.Linear))
        {
            told?.Invoke("linear classifier");
            result = result with { Linear = Fit(features, labels) };
        }
        if (options.Kinds.Contains(ProbeKind.FewShot))
            result = result with { FewShot = [.. options.Shots.Select(Few)] };
        if (options.Kinds.Contains(ProbeKind.FineTune))
        {
            told?.Invoke("fine-tuning");
            result = result with { FineTuning = ShortFineTuning.Run(this, options, precision, told, stop) };
        }
        if (Hash() != before)
            throw new InvalidOperationException($"{Bundle.Source}: the weights of the model have changed while its features were probed");
        return result;

        LinearResult Fit(Tensor known, Tensor classesOf)
        {
            using var own = new Scope();
            var (given, asked) = (known, queries);
            if (options.Linear.Standardize)
            {
                var (mean, deviation) = (known.Mean([0], true), Deviation(known));
                (given, asked) = ((known - mean) / deviation, (queries - mean) / deviation);
            }
            var fitted = LinearClassifier.Fit(given, classesOf, classes, options.Linear, options.Seed, stop);
            using var outside = Torch.NoGrad();
            return new(
                options.Linear.Name,
                options.Linear.Standardize,
                Share(fitted.Logits(asked), truth),
                Share(fitted.Logits(given), classesOf)
            );
        }

        FewShotResult Few(int shots)
        {
            told?.Invoke($"{shots} per class");
            var known = labels.ToArray<long>();
            return new(
                shots,
                [
                    .. Enumerable
                        .Range(0, options.Draws)
                        .Select(draw =>
                        {
                            using var own = new Scope();
                            var rows = Tensor.From(FewShotDraws.Of(known, Training.ClassNames, shots, options.Seed, draw));
                            return Fit(features.IndexSelect(0, rows), labels.IndexSelect(0, rows)).Top1;
                        }),
                ]
            );
        }
    }

    // Of a single sample, or of a dimension that never changes, there is none: it is left as it is.
    private static Tensor Deviation(Tensor features)
    {
        var deviation = features.Var([0], false, true).Sqrt();
        return Torch.Where(deviation.Gt(1e-6), deviation, deviation.OnesLike());
    }

    private static double Share(Tensor scores, Tensor truth) =>
        Torch.Scope(() => NearestNeighbors.Predictions(scores).Eq(truth).Sum()).ToInt64() / (double)truth.Size(0);

    private FeatureBank Gather(
        LoadableDataset data,
        string what,
        Precision? precision,
        int? batch,
        Action<string>? told,
        CancellationToken stop
    )
    {
        var loader = new Loader(
            data,
            PipelineFor(data),
            new(batch ?? Batch) { UnreadableLimit = Source.Unreadable, Replacement = Replacement.None }
        );
        var bank = new FeatureBank(loader, samples => Bundle.Backbone.ForwardEmbedding(samples.Inputs));
        Measurement.Gather(
            Bundle.Model,
            bank,
            precision ?? Bundle.Content.Precision,
            done => told?.Invoke($"features of {what} images: {done} of {data.Count}"),
            stop: stop
        );
        return bank.Count > 0 ? bank : throw new RunException($"{data.Name} ({data.Split}): none of its {data.Count} images could be read");
    }

    /// <summary>Pictures of test images and of the training images that are most like them.</summary>
    internal IReadOnlyList<ReportSection> Pictures() =>
        NeighborPictures.Of(
            Bundle.Model,
            Bundle.Backbone.ForwardEmbedding,
            new(Test, PipelineFor(Test), 0) { Training = (Training, PipelineFor(Training)) }
        );
}
