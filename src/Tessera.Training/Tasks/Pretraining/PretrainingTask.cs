using Tessera.Data;
using Tessera.Data.Images;
using Tessera.Models;
using Tessera.Training.Recipes;

namespace Tessera.Training.Tasks.Pretraining;

/// <summary>
/// Images alone, for a method that needs no labels: the model is a backbone without a classifier, and the method measures what it learns.
/// Labels that images have are left aside.
/// </summary>
[RecipeName("pretraining")]
public sealed record PretrainingTask : ImageTask
{
    /// <inheritdoc/>
    public override bool IsDefaultFor(Dataset data) => data is ImageDataset { Annotations: Unlabelled };

    /// <inheritdoc/>
    public override Type TargetsType => typeof(NoTargets);

    /// <inheritdoc/>
    public override ImageDataset Prepare(Dataset training)
    {
        var images = base.Prepare(training);
        return images.Annotations is Unlabelled ? images : (ImageDataset)images.Relabelled(new Unlabelled(images.Count));
    }

    /// <inheritdoc/>
    public override Evaluator CreateEvaluator(Model model, DataFacts facts, Func<Tensor, Tensor>? predict = null) =>
        throw new RunException($"task {Name} has no measurement of its own: the objective must be one that measures what it learns");

    /// <inheritdoc/>
    public override Prediction Interpret(string sample, Tensor logits, DataFacts facts, int most) =>
        throw new RunException($"a model of task {Name} knows no classes to predict");

    /// <inheritdoc/>
    public override IReadOnlyList<ReportSection> Report(ReportContext context) => [];
}
