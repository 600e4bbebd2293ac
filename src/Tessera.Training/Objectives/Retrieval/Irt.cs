using System.Globalization;
using Tessera.Data;
using Tessera.Distributed;
using Tessera.Models;
using Tessera.Training.Losses;

namespace Tessera.Training.Objectives.Retrieval;

/// <summary>
/// Descriptors by which images of a class are found: a contrastive loss over the batch and a memory of past batches, and the differential
/// entropy of the batch, which spreads them. El-Nouby et al., "Training Vision Transformers for Image Retrieval", 2021, arXiv:2102.05644.
/// Any backbone of images can learn so. Several processes compare the samples of all.
/// </summary>
public sealed partial class Irt : BackboneObjective
{
    private readonly DescriptorMemory? memory;
    private readonly MomentumCopy<Backbone>? keyModel;
    private readonly IrtOptions options;

    [NotRegistered]
    private readonly Func<Backbone, Tensor, Tensor> descriptor;

    [NotRegistered]
    private readonly ProcessGroup? group;

    // Descriptors of a step with their classes, which enter the memory once the step has changed the weights.
    [NotRegistered]
    private (Tensor Features, Tensor Labels)? entering;

    private bool looked;

    /// <summary>The method for the student of a context.</summary>
    /// <param name="options">Margin, weights and memory.</param>
    /// <param name="context">Student, data and processes; with a momentum encoder it must be able to make a second student.</param>
    /// <param name="descriptor">Descriptors [B, D] of length 1 of images: what is learned, which must be what is measured.</param>
    /// <exception cref="ArgumentException">
    /// The student does not have the descriptor, a step is of one sample, or the memory is smaller than a step or of unknown size.
    /// </exception>
    public Irt(IrtOptions options, ObjectiveContext context, Func<Backbone, Tensor, Tensor> descriptor)
        : base(context.Student)
    {
        if (context.StepSamples == 1)
            throw new ArgumentException("irt tells samples of a batch apart: data.batch must be at least 2");
        (this.options, this.descriptor, group) = (options, descriptor, context.Group);
        var width = DescriptorWidth.Of(Student, descriptor);
        if (options.MemorySize(context) is > 0 and var size)
        {
            memory = new(size, width);
            Tell(size, width, context);
        }
        if (options.Momentum is not null)
            keyModel = new(Student, context.Twin());
    }

    private void Tell(int size, int width, ObjectiveContext context)
    {
        var share = context.Data is { Count: var count }
            ? string.Create(CultureInfo.InvariantCulture, $", {size / (double)count:0.##} times the {count} training images")
            : "";
        Remark(
            string.Create(
                CultureInfo.InvariantCulture,
                $"the memory has room for {size} descriptors of {width} values ({(long)size * width * sizeof(float) / 1048576.0:0.0} MiB)"
            )
                + share
                + (options.MemoryStart > 0 ? $", and takes part from step {options.MemoryStart} on" : "")
        );
    }

    /// <inheritdoc/>
    public override double? ForwardPasses => keyModel is null ? Supervised.OnePass : Supervised.OnePass + 1;

    /// <inheritdoc/>
    public override bool MeanOverSamples => false;

    /// <inheritdoc/>
    public override bool JoinsProcesses => true;

    /// <inheritdoc/>
    public override bool TrainsClassifier => false;

    /// <inheritdoc/>
    public override IReadOnlyList<MetricCurve> Watched =>
        [new("Distance of a descriptor to the nearest of its batch", "nearest", MetricFormat.Number)];

    /// <summary>Descriptors of images, [B, C, H, W] to [B, D].</summary>
    /// <param name="images">Prepared images.</param>
    public Tensor Describe(Tensor images) => descriptor(Student, images);

    /// <inheritdoc/>
    protected override Loss ForwardLoss(Batch batch, Progress progress, Phase phase)
    {
        var own = Describe(batch.Inputs); // [N, D]
        var labels = ClassTargets.Of(batch).Labels; // [N]
        var all = GatheredRows.Of(own, group);
        var allLabels = Joined(labels);
        var contrastive = MarginContrast.Of(own, labels, all.Rows, allLabels, options.Margin, options.Form);
        var (entropy, distance, found) = Spread(own, labels, all, allLabels);
        var total = options.Koleo == 0 ? contrastive : contrastive + options.Koleo * entropy;
        var remembered = contrastive.NewZeros([]);
        if (memory is not null && progress.Step >= options.MemoryStart)
        {
            var keys = keyModel is null ? all.Rows.Detach() : Keys(batch.Inputs);
            Remember(keys, allLabels);
            // The batch comes in first and meets its own copies.
            foreach (var (features, classes) in memory.With(keys, allLabels))
                remembered = remembered + MarginContrast.Of(own, labels, features, classes, options.Margin, options.Form);
            total = total + options.MemoryWeight * remembered;
        }
        Look(allLabels);
        return new(total)
        {
            Parts = new Dictionary<string, Tensor>
            {
                ["contrastive"] = contrastive.Detach(),
                ["memory"] = remembered.Detach(),
                ["koleo"] = entropy.Detach(),
                ["nearest"] = distance,
            },
            Scores = new Dictionary<string, Score> { ["nearest_top1"] = batch.IsPlaceholder ? default : new(found, labels.Size(0)) },
        };
    }

    // Entropy, mean distance to the nearest neighbour, and how many of these are of the same class.
    private static (Tensor Entropy, Tensor Distance, long Right) Spread(Tensor own, Tensor labels, GatheredRows all, Tensor allLabels)
    {
        // A single sample has no neighbour.
        if (all.Rows.Size(0) < 2)
            return ((own * 0).Sum(), own.NewZeros([]), 0);
        var nearest = KoLeo.Nearest(own, all.Rows, all.First);
        var distances = KoLeo.Distances(own, all.Rows, nearest);
        return (KoLeo.Of(distances), distances.Detach().Mean(), allLabels.IndexSelect(0, nearest).Eq(labels).Sum().ToInt64());
    }

    private Tensor Keys(Tensor images)
    {
        using var outside = Torch.NoGrad();
        return Joined(descriptor(keyModel!.Module, images));
    }

    private Tensor Joined(Tensor rows)
    {
        using var outside = Torch.NoGrad();
        return GatheredRows.Of(rows, group).Rows;
    }

    private void Remember(Tensor features, Tensor labels)
    {
        BeforeGradients();
        entering = (features.Clone().Keep(), labels.Clone().Keep());
    }

    // Without another of its class, a sample of the batch is only pushed away. The first batch tells.
    private void Look(Tensor labels)
    {
        if (looked)
            return;
        looked = true;
        var classes = labels.ToArray<long>();
        if (classes.Length > 1 && classes.Distinct().Count() == classes.Length)
            Remark(
                "no two images of the first batch are of one class, so nothing draws descriptors together but the memory: data.instances "
                    + "makes batches of several images of each class"
            );
    }

    /// <inheritdoc/>
    public override void BeforeGradients()
    {
        entering?.Features.Dispose();
        entering?.Labels.Dispose();
        entering = null;
    }

    /// <inheritdoc/>
    public override void AfterStep(Progress progress)
    {
        keyModel?.Update(options.Momentum!.Value);
        if (entering is var (features, labels))
            memory!.Enqueue(features, labels);
        BeforeGradients();
    }
}
