using Tessera.Data;
using Tessera.Data.Images;
using Tessera.Data.Imaging;
using Tessera.Data.Loading;
using Tessera.Data.Transforms;
using Tessera.Models;
using Tessera.Training.Explain;
using Tessera.Training.Recipes;
using Tessera.Training.Runs;

namespace Tessera.Training.Tasks;

/// <summary>
/// The purpose of a model: how its data is prepared, which targets the data has, how the model is measured, what it predicts and what a
/// report shows. A task is a folder below Tasks that the rest of the library knows by this type alone; a recipe chooses a task by name
/// (<c>task: multi_label</c>), and where the recipe names none, the data decides.
/// </summary>
[RecipePart("task")]
public abstract record TaskKind
{
    /// <summary>The name by which recipes choose this task; that of its type where it is not registered.</summary>
    public string Name => RecipeShape.MessageName(GetType());

    /// <summary>Whether this is the default task of a data set.</summary>
    public abstract bool IsDefaultFor(Dataset data);

    /// <summary>Whether this is the task that published weights of a model were trained for.</summary>
    public virtual bool IsDefaultFor(Variant variant) => false;

    /// <summary>The type of the targets in the batches.</summary>
    public abstract Type TargetsType { get; }

    /// <summary>The plural noun for the samples: images or texts.</summary>
    public virtual string SampleNoun => "images";

    /// <summary>Prepares the training samples for a loader.</summary>
    /// <exception cref="DataException">The task is not for such data.</exception>
    public abstract LoadableDataset Prepare(Dataset training);

    /// <summary>
    /// Whether samples to measure on are of the classes that were learned from. Where they are not, labels keep the numbers of their own data.
    /// </summary>
    public virtual bool MapsClasses => true;

    /// <summary>
    /// How the task describes an image by a vector that others are compared with, from the model and prepared images [B, C, H, W] to
    /// [B, D]; null for the pooled features that the classifier sees. A task with one is measured by these vectors and not by logits.
    /// </summary>
    public virtual Func<Backbone, Tensor, Tensor>? Descriptor => null;

    /// <summary>
    /// Prepares other samples for a model that knows the facts of its training data. Their labels become the numbers of the model's
    /// classes, which are found by name; a model without classes, and a task that does not compare them, leave them as they are.
    /// </summary>
    /// <exception cref="DataException">
    /// The task is not for such data, the data does not fit the model, or samples are of a class that the model does not have.
    /// </exception>
    public LoadableDataset Prepare(Dataset data, DataFacts facts) =>
        PrepareFor(facts.Classes.Count == 0 || !MapsClasses ? data : ClassMapping.Apply(data, facts.Classes), facts);

    /// <summary>Prepares samples whose labels are the numbers of the model's classes.</summary>
    /// <exception cref="DataException">The task is not for such data, or the data does not fit the model.</exception>
    protected abstract LoadableDataset PrepareFor(Dataset data, DataFacts facts);

    /// <summary>Collects the facts about the training data that a model depends on.</summary>
    public abstract DataFacts FactsOf(LoadableDataset training);

    /// <summary>What is known about the data of published weights.</summary>
    /// <param name="variant">The model, with the preparation of its images.</param>
    /// <param name="model">The same, with the classes that it has.</param>
    /// <param name="classes">Name per class.</param>
    /// <param name="seen">Of the data that they are used on; null for the size of published images.</param>
    /// <exception cref="RunException">Weights of this task say nothing without a run.</exception>
    public virtual DataFacts FactsOfWeights(Variant variant, Model model, IReadOnlyList<string> classes, DataFacts? seen = null) =>
        throw new RunException($"{variant.Name}: weights for task {Name} can only be used with the run that trained them");

    /// <summary>The type of <see cref="FactsOf"/>, by which a bundle is read.</summary>
    public abstract Type FactsType { get; }

    /// <summary>Builds a model of the registry, or a head over one.</summary>
    /// <exception cref="UnknownModelException">No model has that name.</exception>
    /// <exception cref="RunException">The model takes other samples, or gives other answers.</exception>
    public abstract Model CreateModel(ModelSpec spec);

    /// <summary>Whether its models make images, instead of looking at samples.</summary>
    public virtual bool MakesImages => false;

    /// <summary>The model of a recipe or a bundle.</summary>
    /// <exception cref="UnknownModelException">No model has that name.</exception>
    /// <exception cref="RunException">The model takes other samples, or gives other answers.</exception>
    internal Model Build(ModelSpec spec)
    {
        if (spec.Generator is not null && !MakesImages)
            throw new RunException(
                $"model.name: {spec.Name} makes images, and task {Name} needs a model that looks at them; "
                    + $"for generators there is task: {string.Join(" or ", All.Where(task => task.MakesImages).Select(task => task.Name))}"
            );
        try
        {
            return CreateModel(spec);
        }
        catch (ArgumentException error) when (spec.Generator is not null || spec.Architecture is not null)
        {
            throw new RunException($"model: {error.Message}");
        }
    }

    /// <summary>What a user should know of the data and its preparation before training begins, a line each.</summary>
    /// <param name="training">The prepared training samples.</param>
    /// <param name="given">The preparation for evaluation.</param>
    public virtual IReadOnlyList<string> Remarks(LoadableDataset training, EvaluationTransforms given) => [];

    /// <summary>What a user should know of what is measured beside what is learned from, a line each.</summary>
    /// <param name="training">The prepared training samples.</param>
    /// <param name="test">The prepared samples that the model is measured on.</param>
    public virtual IReadOnlyList<string> RemarksOnTest(LoadableDataset training, Dataset test) => [];

    /// <summary>Fills a fresh model with initial values of the task, such as word vectors.</summary>
    public virtual void Initialize(Model model, LoadableDataset training) { }

    /// <summary>The pipeline of samples for evaluation and prediction.</summary>
    /// <param name="model">The model.</param>
    /// <param name="facts">Of the training data.</param>
    /// <param name="given">The preparation for evaluation.</param>
    /// <param name="samples">Facts of the samples; null where they are the training data's.</param>
    /// <exception cref="RunException">The samples are not of the model's size, and no transforms are given.</exception>
    public abstract Pipeline EvaluationPipeline(Model model, DataFacts facts, EvaluationTransforms given, DataFacts? samples = null);

    /// <summary>Makes an evaluator for a model.</summary>
    /// <param name="model">The model that is measured.</param>
    /// <param name="facts">Facts about the model's training data.</param>
    /// <param name="predict">Gives the logits of inputs instead of the model: the same, compiled. Null for the model.</param>
    public abstract Evaluator CreateEvaluator(Model model, DataFacts facts, Func<Tensor, Tensor>? predict = null);

    /// <summary>
    /// Refuses, before a training begins, samples that cannot be measured, where the objective has no evaluator of its own.
    /// </summary>
    /// <param name="measured">The prepared samples of the evaluation.</param>
    /// <exception cref="RunException">They cannot be measured.</exception>
    public virtual void CheckMeasured(LoadableDataset measured) { }

    /// <summary>Adds results of the evaluation to the facts for the bundle, such as thresholds.</summary>
    public virtual DataFacts Refine(DataFacts facts, Metrics measured) => facts;

    /// <summary>The samples that a user has given for a prediction: files, or texts.</summary>
    /// <param name="given">As given on the command line.</param>
    /// <param name="facts">Of the model's data.</param>
    /// <param name="pipeline">What happens to samples before the model.</param>
    public abstract IEnumerable<GivenSample> Read(IEnumerable<string> given, DataFacts facts, Pipeline pipeline);

    /// <summary>An image that a program has, as a sample.</summary>
    /// <param name="image">The image; it must not be disposed of before the sample is read.</param>
    /// <param name="facts">Of the model's data.</param>
    /// <param name="pipeline">What happens to samples before the model.</param>
    /// <exception cref="RunException">The task takes other samples.</exception>
    public virtual GivenSample Read(Image image, DataFacts facts, Pipeline pipeline) =>
        throw new RunException($"{image.Name}: a model of task {Name} takes {SampleNoun}, not images");

    /// <summary>What a model says of a sample.</summary>
    /// <param name="model">The model, in evaluation mode.</param>
    /// <param name="sample">A sample of <see cref="Read(IEnumerable{string}, DataFacts, Pipeline)"/>.</param>
    /// <param name="facts">Facts about the model's training data.</param>
    /// <param name="most">Largest number of listed classes; the classes of the answer are listed in any case.</param>
    /// <param name="predict">Gives the logits of inputs instead of the model: the same, compiled. Null for the model.</param>
    /// <exception cref="DataException">The sample cannot be read.</exception>
    public virtual Prediction Predict(Model model, GivenSample sample, DataFacts facts, int most, Func<Tensor, Tensor>? predict = null)
    {
        using var scope = new Scope();
        using var outside = Torch.NoGrad();
        var device = ModuleDevice.Of(model);
        var input = sample.Read();
        var placed = input with { Inputs = input.Inputs.To(device), Mask = input.Mask?.To(device) };
        var logits = predict is not null && input.Mask is null ? predict(placed.Inputs) : model.Run(placed).Logits;
        return Interpret(sample.Name, logits, facts, most);
    }

    /// <summary>Turns the logits of a model into a prediction.</summary>
    /// <param name="sample">Name of the sample.</param>
    /// <param name="logits">Answer of the model, [1, classes].</param>
    /// <param name="facts">Facts about the model's training data.</param>
    /// <param name="most">Largest number of listed classes; the classes of the answer are listed in any case.</param>
    public abstract Prediction Interpret(string sample, Tensor logits, DataFacts facts, int most);

    /// <summary>The same task with another probability or score from which something belongs to the answer.</summary>
    /// <param name="threshold">In [0, 1].</param>
    /// <param name="facts">Facts about the model's training data.</param>
    /// <returns>The task, and the facts that go with it.</returns>
    /// <exception cref="RunException">Answers do not depend on a threshold.</exception>
    public virtual (TaskKind Task, DataFacts Facts) WithThreshold(double threshold, DataFacts facts) =>
        throw new RunException($"task {Name} has no threshold: its answers do not depend on one");

    /// <summary>Writes predictions into one file that other programs read; null where there is no such form.</summary>
    /// <param name="facts">Facts about the model's training data.</param>
    /// <param name="target">The file, which stays open.</param>
    public virtual ResultWriter? CreateResultWriter(DataFacts facts, Stream target) => null;

    /// <summary>Ends of the names of the files that predictions can be drawn into; empty where answers are no pictures.</summary>
    public virtual IReadOnlyList<string> PictureSuffixes => [];

    /// <summary>Draws a prediction.</summary>
    /// <param name="prediction">The prediction.</param>
    /// <param name="sample">The sample that it is of, which is read again.</param>
    /// <param name="facts">Facts about the model's training data.</param>
    /// <returns>A picture for each of <see cref="PictureSuffixes"/>.</returns>
    /// <exception cref="DataException">The sample cannot be read any more.</exception>
    public virtual IEnumerable<PredictionPicture> Draw(Prediction prediction, GivenSample sample, DataFacts facts) => [];

    /// <summary>Pictures of the parts of a sample that the model looks at.</summary>
    /// <param name="model">The model, in evaluation mode.</param>
    /// <param name="sample">A sample of <see cref="Read(IEnumerable{string}, DataFacts, Pipeline)"/>.</param>
    /// <param name="facts">Facts about the model's training data.</param>
    /// <param name="label">Number of the class that is explained; null for the likeliest.</param>
    /// <param name="stop">Gives up between two pictures.</param>
    /// <exception cref="RunException">There are no pictures of such samples.</exception>
    public virtual Explanation Explain(Model model, GivenSample sample, DataFacts facts, int? label, CancellationToken stop = default) =>
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

    /// <summary>The task that published weights of a model were trained for.</summary>
    /// <exception cref="RunException">Its weights are of no use without a run.</exception>
    public static TaskKind DefaultFor(Variant variant) =>
        All.FirstOrDefault(task => task.IsDefaultFor(variant))
        ?? throw new RunException($"{variant.Name}: its weights can only be used with the run that trained them");

    /// <summary>
    /// All tasks with their defaults, those of programs (<see cref="RecipeParts"/>) first; without tasks whose settings have no defaults.
    /// </summary>
    public static IReadOnlyList<TaskKind> All =>
        [
            .. RecipeShape
                .Choices(typeof(TaskKind))
                .OrderBy(choice => RecipeParts.IsOwn(choice.Value) ? 0 : 1)
                .ThenBy(choice => choice.Key, StringComparer.Ordinal)
                .Where(choice => RecipeShape.Constructor(choice.Value).GetParameters().All(parameter => parameter.HasDefaultValue))
                .Select(choice => (TaskKind)RecipeBinder.Bind(choice.Value, new RecipeMap([], choice.Key), "task")!),
        ];
}

/// <summary>The preparation of samples for evaluation and prediction.</summary>
/// <param name="Given">Transforms of a recipe; null for the resize and centre crop of the model's published figures.</param>
/// <param name="CropRatio">Side of the centre crop over the resized short side.</param>
/// <param name="Interpolation">Filter of that resize.</param>
public sealed record EvaluationTransforms(
    IReadOnlyList<Transform>? Given,
    double CropRatio = EvaluationTransforms.DefaultCropRatio,
    Interpolation Interpolation = Interpolation.Bicubic
)
{
    /// <summary>Share of the usual centre crop: 224 of 256 pixels.</summary>
    public const double DefaultCropRatio = 0.875;

    /// <summary>The preparation that a model's published figures stand for.</summary>
    /// <param name="variant">The model.</param>
    /// <param name="given">Transforms of a recipe; null for the published ones.</param>
    public static EvaluationTransforms Of(Variant variant, IReadOnlyList<Transform>? given = null) =>
        variant.Preprocessing is { } published ? Of(published, given) : new(given);

    /// <summary>The preparation of published figures.</summary>
    /// <param name="published">As the model's variant has it.</param>
    /// <param name="given">Transforms of a recipe; null for the published ones.</param>
    public static EvaluationTransforms Of(Preprocessing published, IReadOnlyList<Transform>? given = null) =>
        new(given, published.CropRatio, ImageExtensions.InterpolationOf(published));
}

/// <summary>Facts about the training data that a model depends on.</summary>
/// <param name="Classes">Names of the classes, by number.</param>
public abstract record DataFacts(IReadOnlyList<string> Classes)
{
    /// <summary>Options of the model that a recipe leaves open.</summary>
    public abstract ModelOptions ModelDefaults { get; }

    /// <summary>Mean and deviation by which the samples are normalised; null where they are no numbers.</summary>
    [System.Text.Json.Serialization.JsonIgnore]
    public virtual Normalization? Normalization => null;

    /// <summary>These facts without the size that all training samples had.</summary>
    public virtual DataFacts OfAnySize() => this;

    /// <summary>These facts with further classes after those of the data.</summary>
    /// <param name="classes">Their names.</param>
    public virtual DataFacts WithFurther(IReadOnlyList<string> classes) => this with { Classes = [.. Classes, .. classes] };

    /// <summary>These facts with another mean and deviation.</summary>
    /// <exception cref="RunException">The samples are no numbers, or have another number of channels.</exception>
    public virtual DataFacts With(Normalization normalization) => throw new RunException("mean and deviation are for images");
}

/// <summary>A sample that a user has given.</summary>
/// <param name="Name">Name of the sample: its file, or the text.</param>
/// <param name="Read">Reads and prepares it as a batch of one.</param>
public sealed record GivenSample(string Name, Func<ModelInput> Read)
{
    /// <summary>
    /// Reads and prepares an image without normalizing it, for answers at the pixels of the original; null for samples that are no images.
    /// </summary>
    public Func<ImagePixels>? Pixels { get; init; }

    /// <summary>
    /// Reads an image without any transform, shrunk so that no side is longer than a number of pixels; null for samples that are no images.
    /// </summary>
    public Func<int, Raster>? Picture { get; init; }

    /// <summary>The same sample with something that happens each time that it has been read.</summary>
    /// <param name="done">What happens.</param>
    public GivenSample Then(Action done)
    {
        return this with { Read = After(Read), Pixels = Pixels is null ? null : After(Pixels) };

        Func<T> After<T>(Func<T> read) =>
            () =>
            {
                var result = read();
                done();
                return result;
            };
    }
}

/// <summary>The prediction of a model for a sample.</summary>
/// <param name="Sample">Name of the sample.</param>
/// <param name="Classes">Classes with their probabilities, the likeliest first.</param>
public record Prediction(string Sample, IReadOnlyList<ScoredClass> Classes)
{
    /// <summary>What <see cref="ScoredClass.Probability"/> is here, in a word: a probability, or a share of the pixels.</summary>
    public virtual string Measure => "probability";

    /// <summary>What a user should know of the answer, a sentence each.</summary>
    public IReadOnlyList<string> Remarks { get; init; } = [];

    /// <summary>The likeliest classes by softmax, of which the first is the answer.</summary>
    /// <param name="sample">Name of the sample.</param>
    /// <param name="logits">Answer of the model, [1, classes].</param>
    /// <param name="classes">Name per class.</param>
    /// <param name="most">Largest number of listed classes.</param>
    public static Prediction MostLikely(string sample, Tensor logits, IReadOnlyList<string> classes, int most)
    {
        using var scope = new Scope();
        var probabilities = logits.To(DType.Float64).Softmax(1).ToArray<double>();
        var ranked = probabilities.Index().OrderByDescending(p => p.Item).Take(most);
        return new(sample, [.. ranked.Select((p, rank) => new ScoredClass(classes[p.Index], p.Index, p.Item, Chosen: rank == 0))]);
    }
}

/// <summary>A picture of a prediction.</summary>
/// <param name="Suffix">End of its file's name behind the name of the sample: one of <see cref="TaskKind.PictureSuffixes"/>.</param>
/// <param name="File">The file's bytes.</param>
public sealed record PredictionPicture(string Suffix, byte[] File);

/// <summary>A class with its probability.</summary>
/// <param name="Class">Name of the class.</param>
/// <param name="Label">Number of the class, from 0.</param>
/// <param name="Probability">Probability of the class, in [0, 1]; or what else the prediction measures.</param>
/// <param name="Chosen">Whether the model's answer contains it.</param>
public sealed record ScoredClass(string Class, int Label, double Probability, bool Chosen)
{
    /// <summary>Where the class was found, in pixels of the image; null where an answer is of the whole.</summary>
    public ObjectBox? Box { get; init; }
}

/// <summary>Writes predictions into a file in the form of other programs, one after the other.</summary>
public abstract class ResultWriter : IDisposable
{
    /// <summary>What a user should know of what is written, in a sentence; null for nothing.</summary>
    public virtual string? Remark => null;

    /// <summary>Writes a prediction.</summary>
    /// <param name="id">Number of the sample.</param>
    /// <param name="prediction">The prediction.</param>
    public abstract void Write(long id, Prediction prediction);

    /// <summary>Ends the file; the stream stays open.</summary>
    public abstract void Dispose();
}

/// <summary>The input of a report.</summary>
/// <param name="Model">The model, in evaluation mode.</param>
/// <param name="Data">The samples of the evaluation.</param>
/// <param name="Facts">Facts about the model's training data.</param>
/// <param name="Pipeline">Transforms of samples before the model.</param>
/// <param name="Metrics">The metrics of the evaluation.</param>
public sealed record ReportContext(Model Model, LoadableDataset Data, DataFacts Facts, Pipeline Pipeline, Metrics Metrics)
{
    /// <summary>Training samples with what happens to them before the model; null where they are not at hand.</summary>
    public (LoadableDataset Data, Pipeline Pipeline)? Training { get; init; }

    /// <summary>Pictures that the run has kept of its evaluations, by name and then by step.</summary>
    public IReadOnlyList<RunPicture> Pictures { get; init; } = [];

    /// <summary>Does something while the model has the moving average of its weights; null where there is none.</summary>
    public Action<Action>? WithAverage { get; init; }
}
