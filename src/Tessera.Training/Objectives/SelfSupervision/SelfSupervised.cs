using Tessera.Data;
using Tessera.Distributed;

namespace Tessera.Training.Objectives.SelfSupervision;

/// <summary>
/// A method that learns without labels by comparing views of images. What all of them have: the features that are kept are the vectors that
/// the student's classifier would see, which stays as it began; an online probe tells how good they are while they are learned; and
/// embeddings are watched for collapse. Neither changes a bit of what the method trains.
/// </summary>
public abstract class SelfSupervised : BackboneObjective
{
    private readonly OnlineProbe? probe;
    private readonly CollapseWatch watch = new();
    private readonly ProcessGroup? group;

    /// <summary>The method for the student of a context.</summary>
    /// <param name="context">Student and data.</param>
    /// <param name="online">
    /// Whether a linear classifier learns along; it needs samples with one class each, and is left out without.
    /// </param>
    protected SelfSupervised(ObjectiveContext context, bool online)
        : base(context.Student)
    {
        group = context.Group;
        if (online && context.Labels is { ClassNames.Count: > 1 } labels)
            probe = new OnlineProbe(Student.NumFeatures, labels.ClassNames.Count);
    }

    /// <inheritdoc/>
    protected override void ListMembers(Members members)
    {
        base.ListMembers(members);
        members.Add("watch", watch);
        if (probe is not null)
            members.Add("probe", probe);
    }

    /// <summary>Features of images, [B, C, H, W] to [B, D]: the class token of a transformer, or the mean over a map.</summary>
    protected Tensor Encode(Tensor images) => Student.ForwardEmbedding(images);

    /// <summary>The loss of the views of a batch.</summary>
    protected abstract Comparison Compare(Batch batch, Progress progress);

    /// <inheritdoc/>
    protected sealed override Loss ForwardLoss(Batch batch, Progress progress, Phase phase)
    {
        var found = Compare(batch, progress);
        var parts = new Dictionary<string, Tensor>(found.Parts);
        foreach (var (name, value) in watch.Measure(found.Embeddings, progress.Step, counts: !batch.IsPlaceholder))
            parts[name] = value;
        if (watch.Warning is { } warning)
            Remark(warning);
        if (probe is null)
            return new(found.Loss) { Parts = parts, Scores = found.Scores };
        var (loss, score) = probe.Learn(found.Features, batch, group);
        parts["probe_loss"] = loss;
        return new(found.Loss)
        {
            Parts = parts,
            Scores = new Dictionary<string, Score>(found.Scores) { [FeatureMetrics.Probe] = score },
        };
    }

    /// <inheritdoc/>
    public override IReadOnlyList<MetricCurve> Watched => CollapseWatch.Figures;

    /// <inheritdoc/>
    public override bool TrainsClassifier => false;

    /// <inheritdoc/>
    public override bool MeanOverSamples => false;

    /// <inheritdoc/>
    public override Evaluator CreateEvaluator(EvaluatorContext context) =>
        new FeatureEvaluator(batch => Encode(batch.Inputs), context) { Classifier = probe is null ? null : probe.Logits };

    /// <inheritdoc/>
    public override IReadOnlyList<ReportSection> Report(ReportSamples samples) => NeighborPictures.Of(Student, Encode, samples);
}

/// <summary>What a method found in the views of a batch.</summary>
/// <param name="Loss">A scalar, with the graph that leads to it.</param>
/// <param name="Features">Features of the first view, as the student gave them, [B, D]: the probe learns from them.</param>
/// <param name="Embeddings">What the loss compares, by view, [B, E] each: the first two are of the same samples in the same order.</param>
public sealed record Comparison(Tensor Loss, Tensor Features, IReadOnlyList<Tensor> Embeddings)
{
    /// <summary>Parts for the log, by name.</summary>
    public IReadOnlyDictionary<string, Tensor> Parts { get; init; } = new Dictionary<string, Tensor>();

    /// <summary>Scores of the batch for the log, by name.</summary>
    public IReadOnlyDictionary<string, Score> Scores { get; init; } = new Dictionary<string, Score>();
}
