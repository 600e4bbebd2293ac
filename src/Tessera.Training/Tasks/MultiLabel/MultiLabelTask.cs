using System.ComponentModel.DataAnnotations;
using Tessera.Data;
using Tessera.Data.Images;
using Tessera.Data.Loading;
using Tessera.Models;
using Tessera.Training.Recipes;

namespace Tessera.Training.Tasks.MultiLabel;

/// <summary>Classification of images with any number of classes each: every class is a question of its own.</summary>
/// <param name="Threshold">Probability from which a class belongs to the answer.</param>
/// <param name="TuneThresholds">
/// Whether each class gets a threshold of its own, the one of the largest F1 on the samples that the model is measured on. Those must not
/// be the test data then, but a validation split (<c>evaluation.split: val</c> or <c>minival</c>).
/// </param>
[RecipeName("multi_label")]
public sealed record MultiLabelTask([Range(0.0, 1)] double Threshold = 0.5, bool TuneThresholds = false) : ImageTask
{
    /// <inheritdoc/>
    public override bool IsDefaultFor(Dataset data) => data is ImageDataset { Annotations: MultiLabels };

    /// <inheritdoc/>
    public override Type TargetsType => typeof(MultiLabelTargets);

    /// <inheritdoc/>
    public override Type FactsType => typeof(MultiLabelFacts);

    /// <inheritdoc/>
    public override DataFacts FactsOf(LoadableDataset training)
    {
        var facts = (ImageFacts)base.FactsOf(training);
        return new MultiLabelFacts(
            facts.Classes,
            facts.Channels,
            facts.Height,
            facts.Width,
            facts.Mean,
            facts.Deviation,
            [.. facts.Classes.Select(_ => Threshold)],
            Tuned: false
        );
    }

    /// <inheritdoc/>
    public override Evaluator CreateEvaluator(Model model, DataFacts facts, Func<Tensor, Tensor>? predict = null)
    {
        var known = (MultiLabelFacts)facts;
        return new MultiLabelEvaluator(known.Thresholds, tune: TuneThresholds && !known.Tuned, batch =>
            predict is null ? model.Call(batch.Inputs) : predict(batch.Inputs)
        );
    }

    /// <summary>The facts with the thresholds that a measurement has chosen.</summary>
    public override DataFacts Refine(DataFacts facts, Metrics measured) =>
        measured is MultiLabelMetrics { ThresholdsTuned: true } metrics
            ? (MultiLabelFacts)facts with
            {
                Thresholds = [.. metrics.PerClass.Select(one => one.Threshold)],
                Tuned = true,
            }
            : facts;

    /// <summary>The same threshold for all classes.</summary>
    /// <inheritdoc/>
    public override (TaskKind Task, DataFacts Facts) WithThreshold(double threshold, DataFacts facts) =>
        (this with { Threshold = threshold }, (MultiLabelFacts)facts with { Thresholds = [.. facts.Classes.Select(_ => threshold)] });

    /// <summary>
    /// The likeliest classes. The answer is the classes with a probability of at least their threshold; it may be empty, and it is listed
    /// whole.
    /// </summary>
    /// <inheritdoc/>
    public override Prediction Interpret(string sample, Tensor logits, DataFacts facts, int most)
    {
        var thresholds = ((MultiLabelFacts)facts).Thresholds;
        double[] answers;
        using (new Scope())
            answers = logits.To(DType.Float64).ToArray<double>();
        var ranked = answers
            .Select((logit, label) => (Probability: MultiLabelEvaluator.Probability(logit), Label: label))
            .OrderByDescending(one => one.Probability)
            .Select(one => new ScoredClass(
                facts.Classes[one.Label],
                one.Label,
                one.Probability,
                Chosen: one.Probability >= thresholds[one.Label]
            ));
        return new(sample, [.. ranked.Where((one, rank) => rank < most || one.Chosen)]);
    }

    /// <inheritdoc/>
    protected override Tensor Probabilities(Tensor logits) => logits.Sigmoid();

    /// <inheritdoc/>
    public override IReadOnlyList<ReportSection> Report(ReportContext context) => MultiLabelReport.Sections(context, SampleNoun);
}
