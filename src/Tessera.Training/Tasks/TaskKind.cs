using Tessera.Data;
using Tessera.Data.Loading;
using Tessera.Data.Transforms;
using Tessera.Models;
using Tessera.Training.Explain;
using Tessera.Training.Recipes;

namespace Tessera.Training.Tasks;

/// <summary>
/// The purpose of a model: how its data is prepared, which targets the data has, how the model is measured, what it predicts and what a
/// report shows. A task is a folder below Tasks that the rest of the library knows by this type alone; a recipe chooses a task by name
/// (<c>task: multi_label</c>), and where the recipe names none, the data decides.
/// </summary>
public abstract record TaskKind
{
    /// <summary>The name by which recipes choose this task.</summary>
    public string Name => RecipeShape.ChoiceName(GetType())!;

    /// <summary>Whether this is the default task of a data set.</summary>
    public abstract bool IsDefaultFor(Dataset data);

    /// <summary>The type of the targets in the batches.</summary>
    public abstract Type TargetsType { get; }

    /// <summary>The plural noun for the samples: images or texts.</summary>
    public virtual string SampleNoun => "images";

    /// <summary>Prepares the training samples for a loader.</summary>
    /// <exception cref="DataException">The task is not for such data.</exception>
    public abstract LoadableDataset Prepare(Dataset training);

    /// <summary>Prepares other samples for a model that knows the facts of its training data.</summary>
    /// <exception cref="DataException">The task is not for such data, or the data does not fit the model.</exception>
    public abstract LoadableDataset Prepare(Dataset data, DataFacts facts);

    /// <summary>Collects the facts about the training data that a model depends on.</summary>
    public abstract DataFacts FactsOf(LoadableDataset training);

    /// <summary>The type of <see cref="FactsOf"/>, by which a bundle is read.</summary>
    public abstract Type FactsType { get; }

    /// <summary>Builds a model of the registry.</summary>
    /// <exception cref="UnknownModelException">No model has that name.</exception>
    /// <exception cref="RunException">The model takes other samples.</exception>
    public abstract Backbone CreateModel(string name, ModelOptions options);

    /// <summary>Fills a fresh model with initial values of the task, such as word vectors.</summary>
    public virtual void Initialize(Backbone model, LoadableDataset training) { }

    /// <summary>The pipeline of samples for evaluation and prediction.</summary>
    /// <param name="model">The model that will see the samples.</param>
    /// <param name="facts">Facts about the samples, normalised as in training.</param>
    /// <param name="given">Transforms of the recipe; null for those that the model's published figures stand for.</param>
    /// <exception cref="RunException">The samples are not of the model's size, and no transforms are given.</exception>
    public abstract Pipeline EvaluationPipeline(Backbone model, DataFacts facts, EvaluationTransforms given);

    /// <summary>Makes an evaluator for a model.</summary>
    /// <param name="model">The model that is measured.</param>
    /// <param name="facts">Facts about the model's training data.</param>
    /// <param name="predict">Gives the logits of inputs instead of the model: the same, compiled. Null for the model.</param>
    public abstract Evaluator CreateEvaluator(Backbone model, DataFacts facts, Func<Tensor, Tensor>? predict = null);

    /// <summary>Adds results of the evaluation to the facts for the bundle, such as thresholds.</summary>
    public virtual DataFacts Refine(DataFacts facts, Metrics measured) => facts;

    /// <summary>The samples that a user has given for a prediction: files, or texts.</summary>
    /// <param name="given">Arguments of the command line: files, or texts.</param>
    /// <param name="facts">Facts about the model's training data.</param>
    /// <param name="pipelineFor">
    /// Gives the pipeline before the model for samples of given facts, since each file has a size of its own.
    /// </param>
    public abstract IEnumerable<GivenSample> Read(IEnumerable<string> given, DataFacts facts, Func<DataFacts, Pipeline> pipelineFor);

    /// <summary>Turns the logits of a model into a prediction.</summary>
    /// <param name="sample">Name of the sample.</param>
    /// <param name="logits">Answer of the model, [1, classes].</param>
    /// <param name="facts">Facts about the model's training data.</param>
    /// <param name="most">Largest number of listed classes; the classes of the answer are listed in any case.</param>
    public abstract Prediction Interpret(string sample, Tensor logits, DataFacts facts, int most);

    /// <summary>Pictures of the parts of a sample that the model looks at.</summary>
    /// <param name="model">The model, in evaluation mode.</param>
    /// <param name="sample">A sample of <see cref="Read"/>.</param>
    /// <param name="facts">Facts about the model's training data.</param>
    /// <param name="label">Number of the class that is explained; null for the likeliest.</param>
    /// <exception cref="RunException">There are no pictures of such samples.</exception>
    public virtual Explanation Explain(Backbone model, GivenSample sample, DataFacts facts, int? label) =>
        throw new RunException($"task {Name} cannot be explained: explanations need images");

    /// <summary>Sections of a report that are the task's own; none where something else was measured.</summary>
    public abstract IReadOnlyList<ReportSection> Report(ReportContext context);

    /// <summary>The default task of a data set.</summary>
    /// <exception cref="RunException">No task is the default for such data.</exception>
    public static TaskKind DefaultFor(Dataset data) =>
        All.FirstOrDefault(task => task.IsDefaultFor(data))
        ?? throw new RunException(
            $"task must be given: none is the default for {data.Name} ({data.GetType().Name} with {data.Annotations.GetType().Name}); "
                + $"choose one of {string.Join(", ", All.Select(task => task.Name))}"
        );

    /// <summary>All tasks with their defaults.</summary>
    public static IReadOnlyList<TaskKind> All { get; } =
    [
        .. RecipeShape
            .Choices(typeof(TaskKind))
            .OrderBy(choice => choice.Key, StringComparer.Ordinal)
            .Select(choice => (TaskKind)RecipeBinder.Bind(choice.Value, new RecipeMap([], choice.Key), "task")!),
    ];
}

/// <summary>The transforms of a recipe for evaluation.</summary>
/// <param name="Given">Transforms; null for those that the model's published figures stand for.</param>
/// <param name="CropRatio">Side of the centre crop over the resized short side, of the published figures.</param>
public sealed record EvaluationTransforms(IReadOnlyList<Transform>? Given, double CropRatio = EvaluationTransforms.DefaultCropRatio)
{
    /// <summary>Share of the usual centre crop: 224 of 256 pixels.</summary>
    public const double DefaultCropRatio = 0.875;
}

/// <summary>Facts about the training data that a model depends on.</summary>
/// <param name="Classes">Names of the classes, by number.</param>
public abstract record DataFacts(IReadOnlyList<string> Classes)
{
    /// <summary>Options of the model that a recipe leaves open.</summary>
    public abstract ModelOptions ModelDefaults { get; }

    /// <summary>These facts for samples of another size: prepared as in training, at the size that they have.</summary>
    /// <param name="seen">Facts about the samples of the other size.</param>
    public virtual DataFacts OfSizeOf(DataFacts seen) => this;
}

/// <summary>A sample that a user has given.</summary>
/// <param name="Name">Name of the sample: its file, or the text.</param>
/// <param name="Read">Reads and prepares it as a batch of one.</param>
public sealed record GivenSample(string Name, Func<ModelInput> Read);

/// <summary>The prediction of a model for a sample.</summary>
/// <param name="Sample">Name of the sample.</param>
/// <param name="Classes">Classes with their probabilities, the likeliest first.</param>
public record Prediction(string Sample, IReadOnlyList<ScoredClass> Classes);

/// <summary>A class with its probability.</summary>
/// <param name="Class">Name of the class.</param>
/// <param name="Label">Number of the class, from 0.</param>
/// <param name="Probability">Probability of the class, in [0, 1].</param>
/// <param name="Chosen">Whether the model's answer contains it.</param>
public sealed record ScoredClass(string Class, int Label, double Probability, bool Chosen);

/// <summary>The input of a report.</summary>
/// <param name="Model">The model, in evaluation mode.</param>
/// <param name="Data">The samples of the evaluation.</param>
/// <param name="Facts">Facts about the model's training data.</param>
/// <param name="Pipeline">Transforms of samples before the model.</param>
/// <param name="Metrics">The metrics of the evaluation.</param>
public sealed record ReportContext(Backbone Model, LoadableDataset Data, DataFacts Facts, Pipeline Pipeline, Metrics Metrics);
