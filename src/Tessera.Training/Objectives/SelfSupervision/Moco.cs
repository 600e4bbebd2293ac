using System.Globalization;
using Tessera.Data;
using Tessera.Distributed;
using Tessera.Models;
using Tessera.Nn;
using Tessera.Training.Losses;

namespace Tessera.Training.Objectives.SelfSupervision;

/// <summary>
/// Momentum contrast: a query, from one view of an image, must tell the key of the other view from a queue of keys of other images. A
/// slowly moving copy of the encoder makes the keys. He et al., "Momentum Contrast for Unsupervised Visual Representation Learning", 2020,
/// arXiv:1911.05722 (v1); Chen et al., "Improved Baselines with Momentum Contrastive Learning", 2020, arXiv:2003.04297 (v2). Heads and
/// queue have the names of the authors' code.
/// </summary>
public sealed partial class Moco : SelfSupervised
{
    private readonly Layer fc; // features to embeddings
    private readonly MomentumCopy<Backbone> keyModel;
    private readonly MomentumCopy<Layer> keyFc;
    private readonly FeatureQueue queue;
    private readonly MocoOptions options;
    private readonly ProcessGroup? group;
    private readonly bool shuffles;

    [NotRegistered]
    private readonly UnMix mixing;

    // Keys of the batches of a step, which enter the queue once it has changed the weights.
    [NotRegistered]
    private readonly List<Tensor> pending = [];

    /// <summary>The method for the student of a context.</summary>
    /// <param name="options">Queue, momentum, temperature, head and batch norms.</param>
    /// <param name="context">Student, data and processes; it must be able to make a second student.</param>
    /// <exception cref="ArgumentException">The keys of a step do not divide the queue, or batch norms cannot be split so.</exception>
    public Moco(MocoOptions options, ObjectiveContext context)
        : base(context, options.Probe)
    {
        (this.options, group, mixing) = (options, context.Group, new UnMix(options.Unmix, context.Group));
        CheckBatch(context);
        fc = Head();
        fc.To(context.Device);
        keyModel = new(Student, context.Twin());
        keyFc = new(fc, Head());
        queue = new(options.Queue, options.Dim);
        BatchNorm[] norms = [.. BatchNorms(Student), .. BatchNorms(keyModel.Module)];
        foreach (var norm in norms)
            norm.Splits = options.BnSplits;
        shuffles = options.Shuffle && norms.Length > 0 && (options.BnSplits > 1 || group is not null);
        Tell(context, norms.Length > 0);
    }

    private static IEnumerable<BatchNorm> BatchNorms(Module module) =>
        module.NamedModules().Select(entry => entry.Module).OfType<BatchNorm>();

    private Layer Head()
    {
        var width = Student.NumFeatures;
        return options.Mlp
            ? new Sequential(new Linear(width, width), new Relu(), new Linear(width, options.Dim))
            : new Linear(width, options.Dim);
    }

    /// <summary>Directions in which views are compared: one, or both.</summary>
    private int Directions => options.Symmetric ? 2 : 1;

    private void CheckBatch(ObjectiveContext context)
    {
        // Of few samples, a batch has all.
        var samples = Math.Min(context.StepSamples, context.Data?.Count ?? int.MaxValue);
        if (samples == 0)
            return;
        var keys = samples * Directions;
        if (options.Queue % keys != 0)
            throw new ArgumentException(
                $"objective.queue must be a multiple of the keys of a step, and {options.Queue} is none of {keys} ({samples} samples"
                    + $"{(options.Symmetric ? ", two keys each" : "")}): the nearest are "
                    + string.Join(" and ", Nearest(keys))
            );
        var own = samples / (group?.Size ?? 1);
        if (own % options.BnSplits != 0)
            throw new ArgumentException(
                $"objective.bn_splits must divide the samples of a batch{(group is null ? "" : " in each process")}, "
                    + $"and {options.BnSplits} does not divide {own}"
            );
    }

    private IEnumerable<int> Nearest(int keys)
    {
        var below = options.Queue / keys * keys;
        return below == 0 ? [keys] : [below, below + keys];
    }

    // Numbers that explain what the log shows.
    private void Tell(ObjectiveContext context, bool norms)
    {
        // The losses of a mixture count as much as those of the views.
        var terms = Directions * (options.Unmix?.IsOn(0) == true ? 2 : 1);
        var chance = terms * Math.Log(1.0 + options.Queue);
        Remark(
            string.Create(
                CultureInfo.InvariantCulture,
                $"a guess has the loss {(terms > 1 ? $"{terms} ln" : "ln")}(1 + {options.Queue}) = {chance:0.00}, which depends on the "
            )
                + "size of the queue: the loss is lower as long as the queue has random directions of the beginning (real_keys in the "
                + "log is the share of the others), and near it when all keys look alike"
        );
        if (context.Data is { Count: var count } && options.Queue > (long)count * Directions)
            Remark(
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"objective.queue: {options.Queue} keys are those of {options.Queue / (double)(count * Directions):0.0} epochs of "
                )
                    + $"{count} samples, so older keys of an image itself are among its negatives: at most "
                    + $"{count * Directions} keys live for one epoch"
            );
        if (options.Momentum == 0)
            Remark("objective.momentum is 0: keys come from the present encoder, with which the paper's loss oscillates (section 4.1)");
        if (!norms)
            return;
        if (shuffles && group is not null)
            Remark(
                $"batch norms use the samples of each of {group.Size} processes by themselves, whatever train.sync_batch_norm says, and "
                    + "keys are shuffled over all"
            );
        else if (!shuffles)
            Remark(
                "batch norms see queries and keys of the same samples together, by which the loss can fall without anything being learned: "
                    + (options.Shuffle ? "objective.bn_splits above 1 prevents it" : "objective.shuffle prevents it")
            );
    }

    /// <summary>
    /// The mean over samples: the queue stays as it is until the step is done, however many batches the step has. Mixtures are of the
    /// samples of a whole batch.
    /// </summary>
    public override bool MeanOverSamples => options.Unmix is null;

    /// <inheritdoc/>
    public override bool JoinsProcesses => true;

    /// <summary>Not where keys are shuffled over processes, which would then have no effect.</summary>
    public override bool SharesBatchStatistics => !(shuffles && group is not null);

    /// <summary>Features of images, and their embeddings behind the head: not normalised yet.</summary>
    /// <param name="images">[B, C, H, W].</param>
    internal (Tensor Features, Tensor Embeddings) Query(Tensor images)
    {
        var features = Encode(images);
        return (features, fc.Call(features));
    }

    /// <summary>Keys of images by the momentum copy, without a gradient.</summary>
    /// <param name="images">Images of this process, [B, C, H, W].</param>
    /// <param name="order">
    /// The order in which the images of all processes go through the encoder, [sum of B]; null draws one where that matters.
    /// </param>
    internal MocoKeys Keys(Tensor images, Tensor? order = null)
    {
        using var outside = Torch.NoGrad();
        var together = group is { Participation: not Participation.Alone } ? group : null;
        if (order is null && !shuffles)
        {
            var found = Key(images);
            return new(found, GatheredRows.Of(found, together).Rows);
        }
        var (all, first) = GatheredRows.Of(images, together);
        order ??= Order(all.Size(0), images.Device, together);
        var count = together is { Participation: Participation.Listening } ? 0 : images.Size(0);
        // A process that listens has no image among all, and computes along with its own.
        var shuffled = Key(count == 0 ? images : all.IndexSelect(0, order.Slice(0, first, first + count)));
        var keys = GatheredRows.Of(shuffled, together).Rows.IndexSelect(0, order.Argsort());
        return new(count == 0 ? shuffled : keys.Slice(0, first, first + count), keys);
    }

    private Tensor Key(Tensor images) => InfoNce.Normalize(keyFc.Module.Call(keyModel.Module.ForwardEmbedding(images)));

    private static Tensor Order(long count, Device device, ProcessGroup? together)
    {
        var order = Torch.Randperm(count, device: device);
        together?.Broadcast(order);
        return order;
    }

    /// <summary>
    /// The key encoder follows the encoder by one step. A training does it after every step, which is before the next one's keys.
    /// </summary>
    internal void Follow()
    {
        keyModel.Update(options.Momentum);
        keyFc.Update(options.Momentum);
    }

    /// <summary>The features of the queue, one per column, [D, K]: those of one step, in which no key enters.</summary>
    internal Tensor Negatives => queue.Snapshot();

    /// <summary>Takes keys of a step into the queue, the oldest first.</summary>
    /// <param name="keys">Keys of all processes, [N, D].</param>
    internal void Enqueue(Tensor keys)
    {
        // The last step of an epoch may have fewer batches than others, whose keys divide the queue only in parts.
        var part = GreatestCommonDivisor(keys.Size(0), queue.Capacity);
        foreach (var some in keys.Split(part))
            queue.Enqueue(some);
    }

    private static long GreatestCommonDivisor(long a, long b) => b == 0 ? a : GreatestCommonDivisor(b, a % b);

    /// <summary>The loss of two views.</summary>
    /// <param name="first">Images of the first view, [B, C, H, W].</param>
    /// <param name="second">Images of the second view.</param>
    /// <param name="orders">Orders of the keys of each direction; null draws them.</param>
    /// <param name="mixture">The first view mixed; null for none.</param>
    internal MocoPass Contrast(Tensor first, Tensor second, IReadOnlyList<Tensor>? orders = null, Mixture? mixture = null)
    {
        var negatives = Negatives;
        var forth = Direction(first, second, orders?[0], negatives, mixture);
        if (!options.Symmetric)
            return new(forth.Loss, forth.Features, forth.Queries, forth.Keys.Own, [forth.Logits], forth.Keys.All, forth.Mixed);
        // Both directions see the same mixture of the first view, each in a pass of its own.
        var back = Direction(second, first, orders?[1], negatives, mixture);
        return new(
            forth.Loss + back.Loss,
            forth.Features,
            forth.Queries,
            forth.Keys.Own,
            [forth.Logits, back.Logits],
            Torch.Cat([back.Keys.All, forth.Keys.All], 0),
            forth.Mixed is null ? null : forth.Mixed + back.Mixed!
        );
    }

    private MocoDirection Direction(Tensor from, Tensor to, Tensor? order, Tensor negatives, Mixture? mixture)
    {
        var (features, embeddings) = Query(from);
        var mixed = mixture is null ? null : Query(mixture.Images).Embeddings;
        var keys = Keys(to, order);
        var queries = InfoNce.Normalize(embeddings);
        var logits = InfoNce.Logits(queries, keys.Own, negatives, options.Temperature);
        var loss = InfoNce.Loss(logits);
        var terms = mixed is null ? null : Mix(loss, mixed, keys.Own, negatives, options.Temperature, mixture!.Share);
        return new(terms?.Total ?? loss, features, queries, keys, logits, terms);
    }

    /// <summary>Un-Mix's losses of one direction.</summary>
    /// <param name="original">Loss of the queries of a view.</param>
    /// <param name="mixed">Queries of the mixture before they are normalised, [N, D]. They are reversed, not the images, since a sample's
    /// place decides which batch norm of several it passes.</param>
    /// <param name="keys">Keys of the other view, normalised, [N, D].</param>
    /// <param name="negatives">The queue, [D, K].</param>
    /// <param name="temperature">Of the similarities.</param>
    /// <param name="share">Lambda, the share of an image's own values in the mixture.</param>
    public static UnMixed Mix(Tensor original, Tensor mixed, Tensor keys, Tensor negatives, double temperature, double share)
    {
        return new(original, Loss(mixed), Loss(UnMixed.Flip(mixed)), share);

        Tensor Loss(Tensor queries) => InfoNce.Loss(InfoNce.Logits(InfoNce.Normalize(queries), keys, negatives, temperature));
    }

    /// <inheritdoc/>
    protected override Comparison Compare(Batch batch, Progress progress)
    {
        var (first, second) = (Splittable(batch, 0), Splittable(batch, 1));
        var pass = Contrast(first, second, mixture: mixing.Of(first, progress));
        if (pass.Entering.Size(0) > 0)
            pending.Add(pass.Entering.Detach().Clone().Keep());
        // Of a placeholder that was repeated, one row.
        Tensor Own(Tensor rows) => rows.Slice(0, 0, batch.Count);
        return new(pass.Loss, Own(pass.Features), [Own(pass.Queries), Own(pass.Keys)])
        {
            Parts = new Dictionary<string, Tensor>(UnMix.Parts(pass.Mixed))
            {
                ["real_keys"] = Tensor.Of(queue.Count / (double)queue.Capacity),
            },
            Scores = new Dictionary<string, Score> { ["contrast_top1"] = batch.IsPlaceholder ? default : Right(pass.Logits) },
        };
    }

    private Tensor Splittable(Batch batch, int view)
    {
        var images = batch.Views[view].Inputs;
        if (batch.IsPlaceholder)
            return images.RepeatInterleave(options.BnSplits, 0);
        return batch.Count % options.BnSplits == 0
            ? images
            : throw new RunException(
                $"objective.bn_splits must divide the samples that pass at a time, and {options.BnSplits} does not divide {batch.Count}: "
                    + "choose another data.batch or train.micro_batch"
            );
    }

    private static Score Right(IReadOnlyList<Tensor> logits) =>
        new(logits.Sum(some => some.Detach().Argmax(1).Eq(0).Sum().ToInt64()), logits.Sum(some => some.Size(0)));

    /// <inheritdoc/>
    public override void BeforeGradients()
    {
        foreach (var keys in pending)
            keys.Dispose();
        pending.Clear();
    }

    /// <inheritdoc/>
    public override void AfterStep(Progress progress)
    {
        using var scope = new Scope();
        Follow();
        if (pending.Count > 0)
            Enqueue(Torch.Cat([.. pending], 0));
        BeforeGradients();
    }
}

/// <summary>Keys of a view.</summary>
/// <param name="Own">Those of this process, normalised, [B, D].</param>
/// <param name="All">Those of all processes in the order of their ranks.</param>
internal sealed record MocoKeys(Tensor Own, Tensor All);

/// <summary>Tensors of one pass.</summary>
/// <param name="Loss">A scalar: the mean over samples, of both directions the sum.</param>
/// <param name="Features">Features of the first view, [B, features].</param>
/// <param name="Queries">Queries of the first view, normalised, [B, D].</param>
/// <param name="Keys">Keys of the second view, normalised, [B, D].</param>
/// <param name="Logits">Of each direction, [B, 1 + K].</param>
/// <param name="Entering">Keys of all processes that enter the queue after the step.</param>
/// <param name="Mixed">Losses with a mixture, of both directions the sum; null without one.</param>
internal sealed record MocoPass(
    Tensor Loss,
    Tensor Features,
    Tensor Queries,
    Tensor Keys,
    IReadOnlyList<Tensor> Logits,
    Tensor Entering,
    UnMixed? Mixed
);

/// <summary>Tensors of one direction.</summary>
/// <param name="Loss">A scalar.</param>
/// <param name="Features">Features of the view that asks, [B, features].</param>
/// <param name="Queries">Its queries, normalised, [B, D].</param>
/// <param name="Keys">Keys of the other view.</param>
/// <param name="Logits">[B, 1 + K].</param>
/// <param name="Mixed">Losses with a mixture; null without one.</param>
internal sealed record MocoDirection(Tensor Loss, Tensor Features, Tensor Queries, MocoKeys Keys, Tensor Logits, UnMixed? Mixed);
