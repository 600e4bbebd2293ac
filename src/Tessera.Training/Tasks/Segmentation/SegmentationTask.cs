using Tessera.Data;
using Tessera.Data.Images;
using Tessera.Data.Loading;
using Tessera.Data.Transforms;
using Tessera.Models;
using Tessera.Training.Recipes;

namespace Tessera.Training.Tasks.Segmentation;

/// <summary>A class for each pixel of an image.</summary>
/// <param name="Inference">
/// auto (by default: an image at once where the model takes its size, otherwise in windows), whole, or slide (in windows that overlap).
/// </param>
/// <param name="Crop">Side, or height and width, of a window; by default the model's size.</param>
/// <param name="Stride">Steps between windows; by default two thirds of a window.</param>
/// <param name="Scales">Sizes at which each image is segmented, as multiples of its own; the probabilities are averaged.</param>
/// <param name="Flip">Whether each image is segmented once more in mirror image.</param>
[RecipeName("segmentation")]
public sealed record SegmentationTask(
    InferenceMode Inference = InferenceMode.Auto,
    IReadOnlyList<int>? Crop = null,
    IReadOnlyList<int>? Stride = null,
    IReadOnlyList<double>? Scales = null,
    bool Flip = false
) : ImageTask
{
    /// <summary>Side, or height and width, of a window; null for the model's size.</summary>
    public IReadOnlyList<int>? Crop { get; init; } = Sides(Crop, "crop");

    /// <summary>Steps between windows; null for two thirds of a window.</summary>
    public IReadOnlyList<int>? Stride { get; init; } = Sides(Stride, "stride");

    /// <summary>Sizes at which each image is segmented, as multiples of its own; null for its own alone.</summary>
    public IReadOnlyList<double>? Scales { get; init; } =
        Scales?.Any(scale => scale <= 0) == true ? throw new ArgumentException("scales must be above 0") : Scales;

    private static IReadOnlyList<int>? Sides(IReadOnlyList<int>? given, string field) =>
        given switch
        {
            null or [] => null,
            [> 0] or [> 0, > 0] => given,
            _ => throw new ArgumentException($"{field} must be one side, or height and width"),
        };

    /// <inheritdoc/>
    public override bool IsDefaultFor(Dataset data) => data is ImageDataset { Annotations: LabelMaps };

    /// <inheritdoc/>
    public override Type TargetsType => typeof(MaskTargets);

    /// <inheritdoc/>
    public override Type FactsType => typeof(SegmentationFacts);

    /// <inheritdoc/>
    public override DataFacts FactsOf(LoadableDataset training)
    {
        var facts = (ImageFacts)base.FactsOf(training);
        return new SegmentationFacts(
            facts.Classes,
            facts.Channels,
            facts.Height,
            facts.Width,
            facts.Mean,
            facts.Deviation,
            facts.Classes.Count
        );
    }

    /// <inheritdoc/>
    public override Model CreateModel(ModelSpec spec) =>
        spec.Head is null
            ? throw new RunException(
                $"model.name: {spec.Name} is a backbone, and task {Name} needs a head over one, as in "
                    + $"{{ name: upernet, backbone: {{ name: {spec.Name} }} }}; there are {string.Join(", ", Heads.All.Select(head => head.Name))}"
            )
        : spec.Create() is Segmenter segmenter ? segmenter
        : throw new RunException($"model.name: {spec.Title} gives no class for each pixel, which task {Name} needs");

    /// <summary>The transforms of the recipe, otherwise images as they are.</summary>
    /// <inheritdoc/>
    public override Pipeline EvaluationPipeline(Model model, DataFacts facts, EvaluationTransforms given, DataFacts? samples = null) =>
        new(given.Given ?? [], ((ImageFacts)facts).Normalization);

    /// <inheritdoc/>
    public override Evaluator CreateEvaluator(Model model, DataFacts facts, Func<Tensor, Tensor>? predict = null) =>
        new SegmentationEvaluator(facts.Classes.Count, new(this, (Segmenter)model, predict), (facts as SegmentationFacts)?.Labelled);

    /// <summary>The classes by the share of the pixels that they have.</summary>
    /// <inheritdoc/>
    public override Prediction Interpret(string sample, Tensor logits, DataFacts facts, int most)
    {
        using var scope = new Scope();
        return new(sample, Shares(logits.Argmax(1), facts.Classes));
    }

    private static IReadOnlyList<ScoredClass> Shares(Tensor labels, IReadOnlyList<string> classes)
    {
        var counts = labels.Flatten().To(DType.Int64).Bincount(minlength: classes.Count).ToArray<long>();
        return
        [
            .. counts
                .Select((count, label) => new ScoredClass(classes[label], label, count / (double)labels.Elements, Chosen: count > 0))
                .Where(one => one.Chosen)
                .OrderByDescending(one => one.Probability),
        ];
    }

    /// <inheritdoc/>
    public override IReadOnlyList<ReportSection> Report(ReportContext context) => [];
}

/// <summary>Facts about images with label maps. The model is built for its own size of images, not for that of the data.</summary>
/// <param name="Classes">Names of the classes, by number.</param>
/// <param name="Channels">Channels of an image.</param>
/// <param name="Height">Height of the images in pixels; null when they differ.</param>
/// <param name="Width">Width of the images in pixels; null when they differ.</param>
/// <param name="Mean">Mean of each channel, of values in [0, 1].</param>
/// <param name="Deviation">Standard deviation of each channel, of values in [0, 1].</param>
/// <param name="Labelled">Classes that the data has; further ones are the model's alone. Null for all.</param>
public sealed record SegmentationFacts(
    IReadOnlyList<string> Classes,
    int Channels,
    int? Height,
    int? Width,
    IReadOnlyList<float> Mean,
    IReadOnlyList<float> Deviation,
    int? Labelled = null
) : ImageFacts(Classes, Channels, Height, Width, Mean, Deviation)
{
    /// <inheritdoc/>
    [System.Text.Json.Serialization.JsonIgnore]
    public override ModelOptions ModelDefaults => base.ModelDefaults with { ImageSize = null };
}
