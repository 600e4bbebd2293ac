using System.ComponentModel.DataAnnotations;
using Tessera.Data;
using Tessera.Data.Images;
using Tessera.Data.Loading;
using Tessera.Models;
using Tessera.Training.Explain;
using Tessera.Training.Recipes;

namespace Tessera.Training.Tasks.Retrieval;

/// <summary>
/// Retrieval of images: the model describes each by a vector, and similar images have similar vectors. What is measured are classes that
/// were never learned from, so labels are compared within a set and never between training and test.
/// </summary>
/// <param name="Pooling">How the vector comes out of the backbone's tokens: auto (the default), cls, avg, max or gem.</param>
/// <param name="GemPower">Power of the generalised mean, from 0.1 to 100; 3 by default.</param>
/// <param name="Ks">Numbers of nearest images that recall is measured at; 1, 2, 4 and 8 by default.</param>
/// <param name="Classifier">
/// Whether the model has a classifier over the classes that it learns from, for a method that trains one (supervised); false by default.
/// </param>
[RecipeName("retrieval")]
public sealed record RetrievalTask(
    DescriptorPooling Pooling = DescriptorPooling.Auto,
    [Range(0.1, 100)] double GemPower = 3,
    IReadOnlyList<int>? Ks = null,
    bool Classifier = false
) : ImageTask
{
    private static readonly int[] usualKs = [1, 2, 4, 8];

    /// <summary>Numbers of nearest images that recall is measured at, ascending.</summary>
    public IReadOnlyList<int> Ks { get; init; } =
        Ks switch
        {
            null or [] => usualKs,
            _ when Ks.Any(k => k < 1) => throw new ArgumentException("ks must be numbers of at least 1"),
            _ => [.. Ks.Distinct().Order()],
        };

    /// <inheritdoc/>
    public override bool IsDefaultFor(Dataset data) => data is ImageDataset { Annotations: QueryGalleryLabels or LandmarkQueries };

    /// <inheritdoc/>
    public override bool MapsClasses => false;

    /// <inheritdoc/>
    public override Type TargetsType => typeof(ClassTargets);

    /// <inheritdoc/>
    public override Func<Backbone, Tensor, Tensor> Descriptor => new Models.Descriptor(Pooling, GemPower).Of;

    /// <inheritdoc/>
    public override ImageDataset Prepare(Dataset training)
    {
        var images = base.Prepare(training);
        return images.Annotations is ClassLabels or QueryGalleryLabels or LandmarkQueries
            ? images
            : throw new DataException(
                $"task {Name} needs images with one class each, or queries for them, and {training.Name} ({training.Split}) has "
                    + images.Annotations.GetType().Name
            );
    }

    /// <inheritdoc/>
    public override DataFacts FactsOf(LoadableDataset training) =>
        Classifier ? base.FactsOf(training) : (ImageFacts)base.FactsOf(training) with { Classes = [] };

    /// <inheritdoc/>
    public override IReadOnlyList<string> RemarksOnTest(LoadableDataset training, Dataset test)
    {
        var learned = training.ClassNames.ToHashSet(StringComparer.Ordinal);
        string[] both = [.. test.ClassNames.Where(learned.Contains)];
        return both.Length == 0
            ? []
            :
            [
                $"{both.Length} of the {test.ClassNames.Count} classes that retrieval is measured on are learned from: figures of classes "
                    + "that were never seen are lower; data.train_classes divides the classes",
            ];
    }

    /// <inheritdoc/>
    public override Model CreateModel(ModelSpec spec)
    {
        var model = base.CreateModel(spec);
        return model is Backbone backbone && (Pooling != DescriptorPooling.Cls || backbone.HasClassToken)
            ? model
            : throw new RunException(
                $"task.pooling: cls needs a model with a class token, and {spec.Name} has none; there are avg, max and gem"
            );
    }

    /// <inheritdoc/>
    public override Evaluator CreateEvaluator(Model model, DataFacts facts, Func<Tensor, Tensor>? predict = null) =>
        new RetrievalEvaluator(batch => Descriptor((Backbone)model, batch.Inputs), Ks);

    /// <inheritdoc/>
    public override Prediction Predict(Model model, GivenSample sample, DataFacts facts, int most, Func<Tensor, Tensor>? predict = null) =>
        throw NoClasses();

    /// <inheritdoc/>
    public override Prediction Interpret(string sample, Tensor logits, DataFacts facts, int most) => throw NoClasses();

    /// <inheritdoc/>
    public override Explanation Explain(Model model, GivenSample sample, DataFacts facts, int? label, CancellationToken stop = default) =>
        throw NoClasses();

    private RunException NoClasses() =>
        new($"a model of task {Name} describes images by vectors and says no classes: tessera index searches images by them");

    /// <inheritdoc/>
    public override IReadOnlyList<ReportSection> Report(ReportContext context) => RetrievalReport.Sections(context);
}
