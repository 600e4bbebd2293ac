using Tessera.Data;
using Tessera.Data.Images;
using Tessera.Data.Imaging;
using Tessera.Data.Loading;
using Tessera.Data.Transforms;
using Tessera.Models;
using Tessera.Training.Drawing;
using Tessera.Training.Explain;

namespace Tessera.Training.Tasks;

/// <summary>The common part of tasks on images: sizes, channels, normalisation and the crop for evaluation.</summary>
public abstract record ImageTask : TaskKind
{
    /// <inheritdoc/>
    public override Type FactsType => typeof(ImageFacts);

    /// <inheritdoc/>
    public override ImageDataset Prepare(Dataset training) =>
        training as ImageDataset
        ?? throw new DataException($"task {Name} needs images, but {training.Name} holds a {training.GetType().Name}");

    /// <inheritdoc/>
    protected override ImageDataset PrepareFor(Dataset data, DataFacts facts)
    {
        var images = Prepare(data);
        return images.Channels == ((ImageFacts)facts).Channels
            ? images
            : throw new DataException(
                $"{data.Name} ({data.Split}) must have the {((ImageFacts)facts).Channels} channels of the model, not {images.Channels}"
            );
    }

    /// <inheritdoc/>
    public override DataFacts FactsOf(LoadableDataset training)
    {
        var images = (ImageDataset)training;
        return new ImageFacts(
            images.ClassNames,
            images.Channels,
            images.Height,
            images.Width,
            images.Normalization.Mean,
            images.Normalization.Deviation
        );
    }

    /// <summary>
    /// Images are normalised as for the published weights, not by the statistics of the data that they are used on, unless these have
    /// another number of channels.
    /// </summary>
    /// <inheritdoc/>
    public override DataFacts FactsOfWeights(Variant variant, Model model, IReadOnlyList<string> classes, DataFacts? seen = null)
    {
        var (images, published) = (seen as ImageFacts, variant.Preprocessing ?? Preprocessing.ImageNet);
        var isPublished = published.Mean.Count == model.Channels || images is null;
        return new ImageFacts(
            classes,
            model.Channels,
            images?.Height,
            images?.Width,
            isPublished ? [.. published.Mean.Select(value => (float)value)] : images!.Mean,
            isPublished ? [.. published.Std.Select(value => (float)value)] : images!.Deviation
        );
    }

    /// <inheritdoc/>
    public override Model CreateModel(ModelSpec spec)
    {
        if (spec.Head is not null)
            throw new RunException($"model.name: task {Name} needs a model with a classifier, not a head of another task over {spec.Name}");
        var model = spec.CreateBackbone();
        return model.TakesImages
            ? model
            : throw new RunException($"model.name: {spec.Name} takes texts, but task {Name} needs a model for images");
    }

    /// <summary>
    /// The transforms of the recipe; else, for a model that was trained on images of its own size, images of that size as they are and
    /// others resized so that the shorter side fits, and for other models the resize and centre crop of the published figures.
    /// </summary>
    /// <inheritdoc/>
    public override Pipeline EvaluationPipeline(Model model, DataFacts facts, EvaluationTransforms given, DataFacts? samples = null)
    {
        var (training, seen) = ((ImageFacts)facts, (ImageFacts)(samples ?? facts));
        if (given.Given is { } transforms)
            return new(transforms, training.Normalization);
        var (height, width) = model.ImageSize;
        var ratio = (training.Height, training.Width) == (height, width) ? 1 : given.CropRatio;
        // A model that is not square has no crop to fall back on: files must have its size then, and others are refused by the model.
        var isOfSize = (seen.Height, seen.Width) == (height, width) || (height != width && seen.Height is null);
        if (ratio == 1 && isOfSize)
            return new([], training.Normalization);
        return height == width
            ? new([new EvaluationCrop(height, ratio, given.Interpolation)], training.Normalization)
            : throw new RunException(
                $"evaluation.transforms must be given: the images do not have the model's size {height}x{width}, which is not square"
            );
    }

    /// <inheritdoc/>
    public override IEnumerable<GivenSample> Read(IEnumerable<string> given, DataFacts facts, Pipeline pipeline) =>
        given.Select(file =>
        {
            return new GivenSample(file, () => Opened(image => Prepare(image, facts, pipeline)))
            {
                Pixels = () => Opened(image => Given(image, facts).Pixels(pipeline)),
                Picture = longest => Opened(image => SmallPicture.Of(Given(image, facts), 0, longest)),
            };

            T Opened<T>(Func<Image, T> read)
            {
                using var image = Image.Open(file);
                return read(image);
            }
        });

    /// <inheritdoc/>
    public override GivenSample Read(Image image, DataFacts facts, Pipeline pipeline) =>
        new(image.Name, () => Prepare(image, facts, pipeline))
        {
            Pixels = () => Given(image, facts).Pixels(pipeline),
            Picture = longest => SmallPicture.Of(Given(image, facts), 0, longest),
        };

    /// <inheritdoc/>
    public override Explanation Explain(Model model, GivenSample sample, DataFacts facts, int? label, CancellationToken stop = default)
    {
        using var scope = new Scope();
        var image = sample.Read().Inputs.To(ModuleDevice.Of(model));
        var normalization = ((ImageFacts)facts).Normalization;
        if (model is not Backbone backbone)
            throw new RunException($"task {Name} cannot be explained: explanations need a classifier");
        return Explanation.Of(Path.GetFileName(sample.Name), backbone, image, normalization, facts.Classes, label, Probabilities, stop);
    }

    /// <summary>Turns logits [B, classes] into probabilities of the classes; by default by softmax, for one class per image.</summary>
    protected virtual Tensor Probabilities(Tensor logits) => logits.Softmax(1);

    private static ModelInput Prepare(Image image, DataFacts facts, Pipeline pipeline) => new(Given(image, facts).Prepare(pipeline));

    private static GivenImage Given(Image image, DataFacts facts) =>
        new(image, ((ImageFacts)facts).Channels, ((ImageFacts)facts).Normalization);
}

/// <summary>Facts about the images that a model depends on.</summary>
/// <param name="Classes">Names of the classes, by number.</param>
/// <param name="Channels">Channels of an image.</param>
/// <param name="Height">Height of the images in pixels; null when they differ.</param>
/// <param name="Width">Width of the images in pixels; null when they differ.</param>
/// <param name="Mean">Mean of each channel, of values in [0, 1].</param>
/// <param name="Deviation">Standard deviation of each channel, of values in [0, 1].</param>
public record ImageFacts(
    IReadOnlyList<string> Classes,
    int Channels,
    int? Height,
    int? Width,
    IReadOnlyList<float> Mean,
    IReadOnlyList<float> Deviation
) : DataFacts(Classes)
{
    /// <summary>Mean and deviation of the training images.</summary>
    [System.Text.Json.Serialization.JsonIgnore]
    public override Normalization Normalization => new(Mean, Deviation);

    /// <inheritdoc/>
    [System.Text.Json.Serialization.JsonIgnore]
    public override ModelOptions ModelDefaults =>
        new()
        {
            Classes = Classes.Count,
            Channels = Channels,
            ImageSize = (Height, Width) is (int height, int width) ? (height, width) : null,
        };

    /// <inheritdoc/>
    public override DataFacts OfAnySize() => this with { Height = null, Width = null };

    /// <inheritdoc/>
    public override DataFacts With(Normalization normalization) =>
        normalization.Mean.Count == Channels
            ? this with
            {
                Mean = normalization.Mean,
                Deviation = normalization.Deviation,
            }
            : throw new RunException($"mean and deviation must have {Channels} values, one per channel, not {normalization.Mean.Count}");
}
