using Tessera.Data;
using Tessera.Data.Images;
using Tessera.Data.Imaging;
using Tessera.Data.Loading;
using Tessera.Data.Transforms;
using Tessera.Models;
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
    public override ImageDataset Prepare(Dataset data, DataFacts facts) => Prepare(data);

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

    /// <inheritdoc/>
    public override Backbone CreateModel(string name, ModelOptions options)
    {
        var model = Registry.Create(name, options);
        return model is TextCct
            ? throw new RunException($"model.name: {name} takes texts, but task {Name} needs a model for images")
            : model;
    }

    /// <inheritdoc/>
    public override Pipeline EvaluationPipeline(Backbone model, DataFacts facts, EvaluationTransforms given)
    {
        var images = (ImageFacts)facts;
        if (given.Given is { } transforms)
            return new(transforms, images.Normalization);
        var (height, width) = model.ImageSize;
        if ((images.Height, images.Width) == (height, width))
            return new([], images.Normalization);
        return height == width
            ? new([new EvaluationCrop(height, given.CropRatio)], images.Normalization)
            : throw new RunException(
                $"evaluation.transforms must be given: the images do not have the model's size {height}x{width}, which is not square"
            );
    }

    /// <inheritdoc/>
    public override IEnumerable<GivenSample> Read(IEnumerable<string> given, DataFacts facts, Func<DataFacts, Pipeline> pipelineFor) =>
        given.Select(file => new GivenSample(file, () => new(Read(file, (ImageFacts)facts, pipelineFor))));

    /// <inheritdoc/>
    public override Explanation Explain(Backbone model, GivenSample sample, DataFacts facts, int? label)
    {
        using var scope = new Scope();
        var image = sample.Read().Inputs.To(ModuleDevice.Of(model));
        var normalization = ((ImageFacts)facts).Normalization;
        return Explanation.Of(Path.GetFileName(sample.Name), model, image, normalization, facts.Classes, label, Probabilities);
    }

    /// <summary>What logits, [B, classes], mean as probabilities of the classes: by default of one class each.</summary>
    protected virtual Tensor Probabilities(Tensor logits) => logits.Softmax(1);

    // Through the same loader as images that are measured.
    private static Tensor Read(string file, ImageFacts facts, Func<DataFacts, Pipeline> pipelineFor)
    {
        var images = new FileImages(file, "given", [file], new Unlabelled(1), facts.Normalization, facts.Channels) { Orient = true };
        int height,
            width;
        using (var opened = ImageFile.Open(file, orient: true))
            (height, width) = (opened.Height, opened.Width);
        var pipeline = pipelineFor(facts with { Height = height, Width = width });
        return new Loader(images, pipeline, 1, workers: 0, replacement: Replacement.Never).Epoch(0).First().Inputs;
    }
}

/// <summary>What a model must know about its images.</summary>
/// <param name="Classes">Name per class.</param>
/// <param name="Channels">Of the images.</param>
/// <param name="Height">Of the images; null when they differ.</param>
/// <param name="Width">Of the images; null when they differ.</param>
/// <param name="Mean">Per channel, of values in [0, 1].</param>
/// <param name="Deviation">Per channel.</param>
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
    public Normalization Normalization => new(Mean, Deviation);

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
    public override DataFacts OfSizeOf(DataFacts seen) =>
        seen is ImageFacts images ? this with { Height = images.Height, Width = images.Width } : this;
}
