using Tessera.Data;
using Tessera.Models;
using Tessera.Training.Recipes;

namespace Tessera.Training.Objectives;

/// <summary>
/// A loss that is added to that of any method which runs the student on the whole images of the batch. It sees what it asks
/// for of that very pass, so that it costs no second one. As of an <see cref="Objective"/>, what its fields hold is saved with the
/// run, and its parameters are learned.
/// </summary>
public abstract class AuxiliaryLoss : Module
{
    /// <summary>Name of the loss in the log.</summary>
    public abstract string Name { get; }

    /// <summary>Paths of the student's modules whose outputs the loss reads.</summary>
    public abstract IReadOnlyList<string> Paths { get; }

    /// <summary>The unweighted loss, a scalar.</summary>
    /// <param name="student">The model that is trained.</param>
    /// <param name="outputs">Outputs of <see cref="Paths"/>, in that order.</param>
    /// <param name="batch">The batch that the student saw.</param>
    public abstract Tensor Compute(Backbone student, IReadOnlyList<Tensor> outputs, Batch batch);

    /// <summary>Weight of the loss at a time of the training, at least 0.</summary>
    public abstract double WeightAt(Progress progress);

    /// <inheritdoc cref="Objective.MeanOverSamples"/>
    public virtual bool MeanOverSamples => true;

    /// <inheritdoc cref="Objective.LearningRateScale"/>
    public virtual double LearningRateScale(string parameter) => 1;

    /// <inheritdoc cref="Objective.BeforeStep"/>
    public virtual void BeforeStep(Progress progress) { }

    /// <inheritdoc cref="Objective.AfterStep"/>
    public virtual void AfterStep(Progress progress) { }
}

/// <summary>Which auxiliary loss, with its settings.</summary>
[RecipePart("auxiliary loss")]
public abstract record AuxiliaryLossOptions
{
    /// <summary>Builds the loss for the student of the context.</summary>
    /// <exception cref="ArgumentException">The student does not have what the loss needs.</exception>
    public abstract AuxiliaryLoss Create(ObjectiveContext context);
}

/// <summary>A method with auxiliary losses.</summary>
internal sealed partial class WithAuxiliaryLosses : BackboneObjective
{
    private readonly BackboneObjective main;
    private readonly ModuleList<AuxiliaryLoss> auxiliary;

    /// <summary>The method and its further losses.</summary>
    public WithAuxiliaryLosses(BackboneObjective main, IEnumerable<AuxiliaryLoss> losses)
        : base(main.Student) => (this.main, auxiliary) = (main, new(losses));

    /// <inheritdoc/>
    public override IReadOnlyList<Phase> Phases => main.Phases is [{ Name: "" } only] ? [only with { Learned = [this] }] : main.Phases;

    /// <inheritdoc/>
    public override double? ForwardPasses => main.ForwardPasses;

    protected internal override bool IsOfModel(string name) =>
        base.IsOfModel(name) || (name.StartsWith("main.", StringComparison.Ordinal) && main.IsOfModel(name["main.".Length..]));

    /// <inheritdoc/>
    public override double LearningRateScale(string parameter) =>
        auxiliary.Aggregate(main.LearningRateScale(parameter), (scale, loss) => scale * loss.LearningRateScale(parameter));

    /// <inheritdoc/>
    public override bool MeanOverSamples => main.MeanOverSamples && auxiliary.All(loss => loss.MeanOverSamples);

    /// <inheritdoc/>
    protected override Loss ForwardLoss(Batch batch, Progress progress, Phase phase)
    {
        using var taps = new Taps(Student, [.. auxiliary.SelectMany(loss => loss.Paths).Distinct()]);
        var loss = main.Compute(batch, progress, phase);
        taps.Dispose();
        var total = loss.Total;
        var parts = new Dictionary<string, Tensor>(loss.Parts);
        foreach (var further in auxiliary)
        {
            var value = further.Compute(Student, [.. further.Paths.Select(path => taps[path])], batch);
            parts[further.Name] = value.Detach();
            // Weight 0 still computes the loss: the log shows where it begins.
            if (further.WeightAt(progress) is var weight and not 0)
                total = total + weight * value;
        }
        return new(total) { Scores = loss.Scores, Parts = parts };
    }

    /// <inheritdoc/>
    public override void BeforeStep(Progress progress)
    {
        main.BeforeStep(progress);
        foreach (var loss in auxiliary)
            loss.BeforeStep(progress);
    }

    /// <inheritdoc/>
    public override void BeforeGradients() => main.BeforeGradients();

    /// <inheritdoc/>
    public override void AfterStep(Progress progress)
    {
        main.AfterStep(progress);
        foreach (var loss in auxiliary)
            loss.AfterStep(progress);
    }

    /// <inheritdoc/>
    public override Evaluator? CreateEvaluator(EvaluatorContext context) => main.CreateEvaluator(context);

    /// <inheritdoc/>
    public override bool TrainsClassifier => main.TrainsClassifier;

    /// <inheritdoc/>
    public override bool JoinsProcesses => main.JoinsProcesses;

    /// <inheritdoc/>
    public override bool SharesBatchStatistics => main.SharesBatchStatistics;

    /// <inheritdoc/>
    public override IReadOnlyList<MetricCurve> Watched => main.Watched;

    protected internal override IReadOnlyList<string> TakeRemarks() => main.TakeRemarks();

    /// <inheritdoc/>
    public override IReadOnlyList<ReportSection> Report(ReportSamples samples) => main.Report(samples);
}
