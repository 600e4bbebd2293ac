using System.ComponentModel.DataAnnotations;
using Tessera.Data;
using Tessera.Data.Images;
using Tessera.Data.Imaging;
using Tessera.Data.Loading;
using Tessera.Data.Transforms;
using Tessera.Models;
using Tessera.Training.Explain;
using Tessera.Training.Generation;
using Tessera.Training.Recipes;

namespace Tessera.Training.Tasks.Generation;

/// <summary>
/// Making images like those of the data, out of random vectors. Labels that images have are left aside. Generated images are compared with
/// the images of the evaluation by an embedding, whose name and hash every figure has.
/// </summary>
/// <param name="Embedding">
/// What images are compared by: <c>classifier:RUN</c>, <c>inception-fid:FILE</c>, or <c>random-conv:SEED</c>, which is for tests of a set-up.
/// </param>
/// <param name="PerImage">Generated images for every real one.</param>
/// <param name="AllowFew">Whether fewer images than the embedding has dimensions are measured all the same.</param>
/// <param name="Held">Features, of real and of generated images each, that are held in memory for the figures that need single ones.</param>
/// <param name="Cache">Folder for features of real images, which are then computed once; none by default.</param>
/// <param name="Pictures">Images in the picture that is kept of each evaluation, always of the same random vectors.</param>
/// <param name="Seed">Seed of the images that are measured and shown.</param>
[RecipeName("generation")]
public sealed record GenerationTask(
    string Embedding = GenerationTask.DefaultEmbedding,
    [Range(1, 1000)] int PerImage = 1,
    bool AllowFew = false,
    [Range(2, 1_000_000)] int Held = 5000,
    [RecipePath] string? Cache = null,
    [Range(1, 400)] int Pictures = 64,
    ulong Seed = 0
) : ImageTask
{
    private const string DefaultEmbedding = "random-conv:0";

    /// <summary>Name of the pictures of evaluations.</summary>
    internal const string Picture = "samples";

    /// <summary>What images are compared by; files and folders are named in full.</summary>
    public string Embedding { get; init; } = InFull(Embedding);

    // A run may be resumed in another folder than it was begun in.
    private static string InFull(string embedding) =>
        embedding.Split(':', 2) is [(EmbeddingFacts.Inception or EmbeddingFacts.Classifier) and var kind, { Length: > 0 } place]
            ? $"{kind}:{Path.GetFullPath(place)}"
            : embedding;

    /// <summary>Never: data alone does not say that something like it is to be made.</summary>
    /// <param name="data">The data set.</param>
    public override bool IsDefaultFor(Dataset data) => false;

    /// <inheritdoc/>
    public override bool MakesImages => true;

    /// <inheritdoc/>
    public override Type TargetsType => typeof(NoTargets);

    /// <inheritdoc/>
    public override Type FactsType => typeof(GenerationFacts);

    /// <summary>Images in [0, 1], which are not normalised and have no labels.</summary>
    /// <inheritdoc/>
    public override ImageDataset Prepare(Dataset training)
    {
        var images = base.Prepare(training);
        var unlabelled = images.Annotations is Unlabelled ? images : (ImageDataset)images.Relabelled(new Unlabelled(images.Count));
        return unlabelled.Normalized(GenerationFacts.Plain(images.Channels));
    }

    /// <inheritdoc/>
    public override DataFacts FactsOf(LoadableDataset training)
    {
        var images = (ImageDataset)training;
        return new GenerationFacts(images.Channels, images.Height, images.Width);
    }

    /// <inheritdoc/>
    public override Model CreateModel(ModelSpec spec) =>
        spec.Generator is not null
            ? spec.Create()
            : throw new RunException(
                $"model.name: {spec.Title} looks at images, and task {Name} needs a model that makes some; there are "
                    + string.Join(", ", Generators.All.Select(kind => kind.Name))
            );

    /// <summary>
    /// The transforms of the recipe; else images of the model's size as they are, and others resized so that the shorter side fits and cut
    /// to their centre.
    /// </summary>
    /// <inheritdoc/>
    public override Pipeline EvaluationPipeline(Model model, DataFacts facts, EvaluationTransforms given, DataFacts? samples = null)
    {
        var (training, seen) = ((ImageFacts)facts, (ImageFacts)(samples ?? facts));
        if (given.Given is { } transforms)
            return new(transforms, training.Normalization);
        var (height, width) = model.ImageSize;
        if ((seen.Height, seen.Width) == (height, width) && given.CropRatio == 1)
            return new([], training.Normalization);
        return height == width
            ? new([new EvaluationCrop(height, given.CropRatio, given.Interpolation)], training.Normalization)
            : throw new RunException(
                $"evaluation.transforms must be given: the images do not have the generator's size {height}x{width}, which is not square"
            );
    }

    /// <inheritdoc/>
    public override Evaluator CreateEvaluator(Model model, DataFacts facts, Func<Tensor, Tensor>? predict = null)
    {
        var images = new GeneratedImages((ImageGenerator)model, Seed);
        return new PicturedEvaluator(
            new GenerationEvaluator(
                images.Batch,
                FeatureEmbedding.Open(Embedding, ModuleDevice.Of(model)),
                new()
                {
                    PerImage = PerImage,
                    AllowFew = AllowFew,
                    Held = Held,
                    Cache = Cache is null ? null : new(Cache),
                    Seed = Seed,
                }
            ),
            () => [new(Picture, ImageGrid.Png([.. Enumerable.Range(0, Pictures).Select(number => images.Image(number))]))]
        );
    }

    /// <summary>Refuses too few images, and an embedding that is not there.</summary>
    /// <inheritdoc/>
    public override void CheckMeasured(LoadableDataset measured)
    {
        using var scope = new Scope();
        var embedding = FeatureEmbedding.Open(Embedding).Facts;
        if (measured.Count < embedding.Dimension && !AllowFew)
            throw new RunException(
                $"task.embedding: {embedding.Id} has {embedding.Dimension} dimensions, and {measured.Name} ({measured.Split}) only "
                    + $"{measured.Count} images: measure on at least as many, choose another embedding, or take the distance of so few, which "
                    + "is too large, by task.allow_few: true"
            );
    }

    /// <inheritdoc/>
    public override IReadOnlyList<string> Remarks(LoadableDataset training, EvaluationTransforms given) =>
        Embedding.StartsWith("random-conv", StringComparison.Ordinal)
            ?
            [
                $"task.embedding is {Embedding}: its figures only tell whether a set-up works; classifier:RUN compares images by what they show",
            ]
            : [];

    /// <inheritdoc/>
    public override IEnumerable<GivenSample> Read(IEnumerable<string> given, DataFacts facts, Pipeline pipeline) => throw TakesNone();

    /// <inheritdoc/>
    public override GivenSample Read(Image image, DataFacts facts, Pipeline pipeline) => throw TakesNone();

    /// <inheritdoc/>
    public override Prediction Interpret(string sample, Tensor logits, DataFacts facts, int most) => throw TakesNone();

    /// <inheritdoc/>
    public override Explanation Explain(Model model, GivenSample sample, DataFacts facts, int? label, CancellationToken stop = default) =>
        throw TakesNone();

    private RunException TakesNone() => new($"a model of task {Name} makes images and looks at none: tessera generate RUN writes some");

    /// <inheritdoc/>
    public override IReadOnlyList<ReportSection> Report(ReportContext context) => GenerationReport.Sections(context, Seed);
}
