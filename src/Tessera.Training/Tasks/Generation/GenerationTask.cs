using System.ComponentModel.DataAnnotations;
using Tessera.Data;
using Tessera.Data.Images;
using Tessera.Data.Imaging;
using Tessera.Data.Loading;
using Tessera.Data.Transforms;
using Tessera.Models;
using Tessera.Training.Explain;
using Tessera.Training.Recipes;

namespace Tessera.Training.Tasks.Generation;

/// <summary>Making images like those of the data, out of random vectors. Labels that images have are left aside.</summary>
/// <param name="Pictures">Images in the picture that is kept of each evaluation, always of the same random vectors.</param>
/// <param name="Seed">Seed of the images that are measured and shown.</param>
[RecipeName("generation")]
public sealed record GenerationTask([Range(1, 400)] int Pictures = 64, ulong Seed = 0) : ImageTask
{
    /// <summary>Name of the pictures of evaluations.</summary>
    internal const string Picture = "samples";

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
        if ((seen.Height, seen.Width) == (height, width))
            return new([], training.Normalization);
        return height == width
            ? new([new EvaluationCrop(height, 1, given.Interpolation)], training.Normalization)
            : throw new RunException(
                $"evaluation.transforms must be given: the images do not have the generator's size {height}x{width}, which is not square"
            );
    }

    /// <inheritdoc/>
    public override Evaluator CreateEvaluator(Model model, DataFacts facts, Func<Tensor, Tensor>? predict = null) =>
        throw new RunException($"task {Name} has no measurement of its own: the objective must be one that measures what it learns");

    /// <inheritdoc/>
    public override IEnumerable<GivenSample> Read(IEnumerable<string> given, DataFacts facts, Pipeline pipeline) => throw TakesNone();

    /// <inheritdoc/>
    public override GivenSample Read(Image image, DataFacts facts, Pipeline pipeline) => throw TakesNone();

    /// <inheritdoc/>
    public override Prediction Interpret(string sample, Tensor logits, DataFacts facts, int most) => throw TakesNone();

    /// <inheritdoc/>
    public override Explanation Explain(Model model, GivenSample sample, DataFacts facts, int? label, CancellationToken stop = default) =>
        throw TakesNone();

    private RunException TakesNone() =>
        new($"a model of task {Name} makes images and looks at none: tessera generate RUN writes some");

    /// <inheritdoc/>
    public override IReadOnlyList<ReportSection> Report(ReportContext context) => GenerationReport.Sections(context, Seed);
}
