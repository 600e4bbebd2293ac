using System.Globalization;
using Tessera.Data.Imaging;
using Tessera.Data.Sets;
using Tessera.Data.Transforms;
using Tessera.Models;
using Tessera.Training.Explain;
using Tessera.Training.Runs;
using Tessera.Training.Tasks;

namespace Tessera.Training.Bundles;

/// <summary>A model with its weights and all that is needed to use it: task, preprocessing, classes.</summary>
/// <param name="Model">In evaluation mode.</param>
/// <param name="Content">What is said of it.</param>
/// <param name="Source">File that its weights are from.</param>
public sealed record ModelBundle(Model Model, BundleContent Content, string Source)
{
    /// <summary>A sentence for every choice that was made with the weights without having been asked for.</summary>
    public IReadOnlyList<string> Notes { get; init; } = [];

    /// <summary>What it is for.</summary>
    public TaskKind Task => Content.Task;

    /// <summary>The model as a backbone, of which features can be asked.</summary>
    /// <exception cref="RunException">It is a head for another task over one, or makes images.</exception>
    public Backbone Backbone =>
        Model as Backbone
        ?? throw new RunException($"{Source}: {Content.Model.Title} is no backbone with a classifier, which is needed here");

    /// <summary>What it knows of its data.</summary>
    public DataFacts Facts => Content.Facts;

    /// <summary>Names of its classes.</summary>
    public IReadOnlyList<string> Classes => Facts.Classes;

    /// <summary>Loads the bundle of a run, or a bundle by itself.</summary>
    /// <param name="folder">Folder of a run or of a bundle.</param>
    /// <param name="device">Where it shall compute; the CPU by default.</param>
    /// <param name="best">Takes the best weights by the primary score instead of the newest.</param>
    /// <param name="ema">Takes the moving average of the weights.</param>
    /// <exception cref="RunException">There is no bundle, or it is damaged.</exception>
    public static ModelBundle Load(string folder, Device? device = null, bool best = false, bool ema = false)
    {
        var bundle = BundleFolder.Find(folder);
        var (content, weights) = bundle.Read();
        var path = bundle.WeightsPath(weights, best, ema);
        Model model;
        try
        {
            using (Nn.Init.Skip())
                model = content.Task.Build(content.Model);
        }
        catch (UnknownModelException error)
        {
            throw new RunException($"{bundle.JsonPath}: {error.Message}");
        }
        using (new Scope())
        {
            var state = TensorFile.Load(path);
            model.ExpectPacked(state);
            model.LoadStateDict(state);
        }
        model.To(device ?? Device.Cpu);
        model.Eval();
        return new(model, content, path);
    }

    /// <summary>A model of the registry with weights of a file, as its published figures stand for.</summary>
    /// <param name="variant">Which model.</param>
    /// <param name="weights">The file: safetensors, or what PyTorch saves.</param>
    /// <param name="classes">
    /// Name per class; null for those that the weights are published for, or for numbers where these are not known, as many as the model
    /// has by itself.
    /// </param>
    /// <param name="data">Facts of the data that it is used on, which decide on channels and image size; null for the model's own.</param>
    /// <param name="task">What it is for; by default what the model's weights are published for.</param>
    /// <param name="device">Where it shall compute; the CPU by default.</param>
    /// <exception cref="RunException">Weights of such a model are of no use without a run.</exception>
    /// <exception cref="StateDictException">The weights are not those of this model.</exception>
    public static ModelBundle FromWeights(
        Variant variant,
        WeightsFile weights,
        IReadOnlyList<string>? classes = null,
        DataFacts? data = null,
        TaskKind? task = null,
        Device? device = null
    )
    {
        task ??= TaskKind.DefaultFor(variant);
        var options = (data?.ModelDefaults ?? new()) with { Classes = classes?.Count };
        // With initial values: a model may fill in what the weights lack.
        var model = task.Build(new(variant.Name, options));
        var loaded = model.Load(
            weights.File,
            new()
            {
                Find = weights.Find,
                Partial = weights.Partial == true,
                ReplaceHead = task.Descriptor is not null,
            }
        );
        model.To(device ?? Device.Cpu);
        model.Eval();
        var facts = task.FactsOfWeights(variant, model, classes ?? ClassNames(variant, model.Classes), data);
        var content = new BundleContent(new(variant.Name, options), task, facts, EvaluationTransforms.Of(variant), Precision.Fp32);
        return new(model, content, weights.File) { Notes = loaded.Notes };
    }

    /// <summary>A model of the registry with weights of a file, for its features alone: the file need not have a classifier.</summary>
    /// <param name="variant">Which model.</param>
    /// <param name="weights">The file.</param>
    /// <param name="device">Where it shall compute.</param>
    /// <exception cref="StateDictException">The weights are not those of this model.</exception>
    internal static ModelBundle ForFeatures(Variant variant, WeightsFile weights, Device device)
    {
        var task = TaskKind.DefaultFor(variant);
        var spec = new ModelSpec(variant.Name, new());
        var model = task.CreateModel(spec);
        var loaded = model.Load(weights.File, new() { Find = weights.Find, ReplaceHead = true });
        model.To(device);
        model.Eval();
        var facts = task.FactsOfWeights(variant, model, ClassNames(variant, model.Classes));
        var content = new BundleContent(spec, task, facts, EvaluationTransforms.Of(variant), Precision.Fp32, TrainedClassifier: false);
        return new(model, content, weights.File) { Notes = loaded.Notes };
    }

    /// <summary>
    /// A model that a program has trained in a loop of its own, to be used and saved (<see cref="Save"/>) like that of a run.
    /// </summary>
    /// <param name="model">A classifier of images. It computes where it is, and is put into evaluation mode.</param>
    /// <param name="name">Its name in the registry, by which it is built again.</param>
    /// <param name="classes">Name per class.</param>
    /// <param name="preprocessing">How its images were normalised, and the crop for evaluation; null for what its variant says.</param>
    /// <exception cref="UnknownModelException">The registry has no such name.</exception>
    /// <exception cref="ArgumentException">Number of classes or channels do not fit the model.</exception>
    /// <exception cref="StateDictException">The registry builds another model by this name and the model's sizes.</exception>
    public static ModelBundle FromModel(Backbone model, string name, IReadOnlyList<string> classes, Preprocessing? preprocessing = null)
    {
        var variant = Registry.Get(name);
        var published = preprocessing ?? variant.Preprocessing ?? Preprocessing.ImageNet;
        if (!model.TakesImages)
            throw new ArgumentException($"{name} takes texts: a bundle by code is for models of images", nameof(model));
        if (classes.Count != model.Classes)
            throw new ArgumentException($"{name} has {model.Classes} classes, and there are {classes.Count} names", nameof(classes));
        if (published.Mean.Count != model.Channels || published.Std.Count != model.Channels)
            throw new ArgumentException(
                $"{name} takes {model.Channels} channels: mean and deviation must have as many values, not {published.Mean.Count} and "
                    + $"{published.Std.Count}",
                nameof(preprocessing)
            );
        var options = new ModelOptions
        {
            Classes = model.Classes,
            Channels = model.Channels,
            ImageSize = model.ImageSize,
        };
        using (new Scope())
        {
            Backbone again;
            using (Nn.Init.Skip())
                again = variant.Create(options);
            var report = StateDictReport.Compare(again.StateDict(), model.StateDict());
            if (!report.Complete || report.Mismatched.Count > 0)
                throw new StateDictException(name, report);
        }
        model.Eval();
        var facts = new ImageFacts(
            classes,
            model.Channels,
            null,
            null,
            [.. published.Mean.Select(value => (float)value)],
            [.. published.Std.Select(value => (float)value)]
        );
        var content = new BundleContent(
            new(name, options),
            TaskKind.DefaultFor(variant),
            facts,
            EvaluationTransforms.Of(published),
            Precision.Fp32
        );
        return new(model, content, name);
    }

    /// <summary>
    /// Writes the bundle into a folder of its own, from which <see cref="Load"/>, <c>tessera predict</c> and recipes
    /// (<c>model.weights</c>) read it like that of a run.
    /// </summary>
    /// <param name="folder">The folder, which must be empty or not there yet.</param>
    /// <exception cref="RunException">There is something in the folder.</exception>
    public void Save(string folder) => new BundleFolder(folder).Write(Content, Model.StateDict());

    private static IReadOnlyList<string> ClassNames(Variant variant, int classes) =>
        PublishedClasses.Of(variant.Dataset) is { } published && published.Count == classes
            ? published
            : [.. Enumerable.Range(0, classes).Select(label => $"class {label}")];

    /// <summary>The same with weights of a file, classifier included.</summary>
    /// <param name="weights">The file.</param>
    public ModelBundle WithWeights(WeightsFile weights)
    {
        var loaded = Model.Load(weights.File, new() { Find = weights.Find, Partial = weights.Partial == true });
        return this with { Source = weights.File, Content = Content with { TrainedClassifier = true }, Notes = loaded.Notes };
    }

    /// <summary>Makes sure that the model's answers mean something.</summary>
    /// <exception cref="RunException">Its classifier was never trained.</exception>
    public void RequireClassifier()
    {
        // What makes images has none to train.
        if (!Content.TrainedClassifier && Model is not ImageGenerator)
            throw new RunException(
                $"{Source}: the run was a pre-training, and its classifier was never trained: fine-tune the model, or train a linear probe "
                    + "(objective: linear_probe), with the folder of this run as model.weights of the recipe"
            );
    }

    /// <summary>The same with another preparation of samples.</summary>
    /// <exception cref="RunException">The samples are no images, or have another number of channels.</exception>
    public ModelBundle With(PreparationChanges changes)
    {
        var facts = Facts;
        if ((changes.Mean ?? changes.Deviation) is not null)
            facts = Facts.With(
                new(changes.Mean ?? Facts.Normalization?.Mean ?? [], changes.Deviation ?? Facts.Normalization?.Deviation ?? [])
            );
        var preparation = Content.Preprocessing;
        if (changes.CropRatio is not null || changes.Interpolation is not null)
            // The images' own size is no reason any more to leave them as they are.
            (facts, preparation) = (
                facts.OfAnySize(),
                new(null, changes.CropRatio ?? preparation.CropRatio, changes.Interpolation ?? preparation.Interpolation)
            );
        return this with { Content = Content with { Facts = facts, Preprocessing = preparation } };
    }

    /// <summary>The same with another probability or score from which something belongs to an answer.</summary>
    /// <param name="threshold">In [0, 1].</param>
    /// <exception cref="RunException">Answers of the task do not depend on a threshold.</exception>
    public ModelBundle WithThreshold(double threshold)
    {
        var (task, facts) = Task.WithThreshold(threshold, Facts);
        return this with { Content = Content with { Task = task, Facts = facts } };
    }

    /// <summary>What happens to samples before the model, the same whether they are measured, predicted or explained.</summary>
    /// <param name="samples">Facts of the samples; null where they are the training data's.</param>
    public Pipeline PipelineFor(DataFacts? samples = null) => Task.EvaluationPipeline(Model, Facts, Content.Preprocessing, samples);

    /// <summary>The samples that a user has given: files, or texts.</summary>
    public IEnumerable<GivenSample> Read(IEnumerable<string> given) => Task.Read(given, Facts, PipelineFor(Facts.OfAnySize()));

    /// <summary>Where the model looks in a sample.</summary>
    /// <param name="sample">Of <see cref="Read(IEnumerable{string})"/>.</param>
    /// <param name="label">The class that is explained; null for the likeliest.</param>
    /// <param name="stop">Gives up between two pictures.</param>
    /// <exception cref="RunException">There are no pictures of such samples, or the classifier was never trained.</exception>
    public Explanation Explain(GivenSample sample, int? label = null, CancellationToken stop = default)
    {
        RequireClassifier();
        return Task.Explain(Model, sample, Facts, label, stop);
    }

    /// <summary>The number of a class by its name, whatever its capitals, or by the number itself.</summary>
    /// <exception cref="RunException">There is no such class; the message names the nearest.</exception>
    public int LabelOf(string wanted)
    {
        if (Classes.Count == 0)
            throw new RunException($"there is no class '{wanted}': {Content.Model.Title} has no classes");
        for (var label = 0; label < Classes.Count; label++)
            if (string.Equals(Classes[label], wanted, StringComparison.OrdinalIgnoreCase))
                return label;
        if (int.TryParse(wanted, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number < Classes.Count)
            return number;
        var near = string.Join(", ", Spelling.Nearest(wanted, Classes).Take(3));
        throw new RunException(
            $"there is no class '{wanted}': give a number from 0 to {Classes.Count - 1} or a name; the nearest names are {near}"
        );
    }

    /// <summary>What the model says of an image.</summary>
    /// <param name="image">The image.</param>
    /// <param name="most">How many classes are listed at most; what belongs to the answer is listed in any case.</param>
    /// <param name="predict">Gives the logits of inputs instead of the model: the same, compiled. Null for the model.</param>
    /// <exception cref="Data.DataException">The image is damaged.</exception>
    /// <exception cref="RunException">The model takes other samples, or its classifier was never trained.</exception>
    public Prediction Predict(Image image, int most = 5, Func<Tensor, Tensor>? predict = null) => Predict(Read(image), most, predict);

    /// <summary>What the model says of an image file, or of a text.</summary>
    /// <param name="given">The file, or for a model of texts the text.</param>
    /// <param name="most">How many classes are listed at most; what belongs to the answer is listed in any case.</param>
    /// <param name="predict">Gives the logits of inputs instead of the model: the same, compiled. Null for the model.</param>
    /// <exception cref="Data.DataException">The file cannot be read.</exception>
    /// <exception cref="RunException">The classifier was never trained.</exception>
    public Prediction Predict(string given, int most = 5, Func<Tensor, Tensor>? predict = null) =>
        Predict(Read([given]).First(), most, predict);

    /// <summary>An image as a sample, prepared as the model takes it.</summary>
    /// <param name="image">The image.</param>
    /// <exception cref="RunException">The model takes other samples.</exception>
    public GivenSample Read(Image image) => Task.Read(image, Facts, PipelineFor(Facts.OfAnySize()));

    /// <summary>
    /// Vectors of prepared images: the task's descriptor where it has one (<see cref="TaskKind.Descriptor"/>: for retrieval of length 1,
    /// pooled as the task says), else the pooled features that the classifier sees.
    /// </summary>
    /// <param name="images">Prepared images [B, C, H, W], on the device of the model.</param>
    /// <returns>[B, D].</returns>
    /// <exception cref="RunException">The model is a head for another task over a backbone.</exception>
    public Tensor Describe(Tensor images) =>
        Task.Descriptor is { } descriptor ? descriptor(Backbone, images) : Backbone.ForwardEmbedding(images);

    /// <summary>
    /// Vectors of images: the task's descriptor where it has one, as retrieval does, and else the pooled features that the classifier sees.
    /// Images that look alike have vectors that point the same way.
    /// </summary>
    /// <param name="images">One image or several.</param>
    /// <returns>Float32 [N, D], on the device of the model and owned by the current scope.</returns>
    /// <exception cref="Data.DataException">An image is damaged.</exception>
    /// <exception cref="RunException">
    /// There is no image, they differ in size after their preparation, or the model takes other samples.
    /// </exception>
    public Tensor Embed(params IReadOnlyList<Image> images)
    {
        if (images.Count == 0)
            throw new RunException("embedding needs at least one image");
        using var scope = new Scope();
        using var outside = Torch.NoGrad();
        Tensor[] inputs = [.. images.Select(image => Read(image).Read().Inputs)];
        if (inputs.FirstOrDefault(input => input.Shape != inputs[0].Shape) is { } other)
            throw new RunException(
                $"images must be of one size to be embedded together, not {inputs[0].Shape} and {other.Shape}: embed them one by one"
            );
        var batch = Torch.Cat(inputs).To(ModuleDevice.Of(Model));
        return scope.Return(Describe(batch));
    }

    /// <summary>What the model says of a sample.</summary>
    /// <param name="sample">Of <see cref="Read(IEnumerable{string})"/>.</param>
    /// <param name="most">How many classes are listed at most; what belongs to the answer is listed in any case.</param>
    /// <param name="predict">Gives the logits of inputs instead of the model: the same, compiled. Null for the model.</param>
    /// <exception cref="Data.DataException">The sample cannot be read.</exception>
    /// <exception cref="RunException">The classifier was never trained.</exception>
    public Prediction Predict(GivenSample sample, int most = 5, Func<Tensor, Tensor>? predict = null)
    {
        RequireClassifier();
        return Task.Predict(Model, sample, Facts, most, predict);
    }

    /// <summary>Draws a prediction; nothing where answers are no pictures.</summary>
    /// <param name="prediction">Of <see cref="Predict(GivenSample, int, Func{Tensor, Tensor})"/>.</param>
    /// <param name="sample">The sample that it is of, which is read again.</param>
    /// <exception cref="Data.DataException">The sample cannot be read any more.</exception>
    public IEnumerable<PredictionPicture> Draw(Prediction prediction, GivenSample sample) => Task.Draw(prediction, sample, Facts);
}
