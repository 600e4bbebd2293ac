using System.ComponentModel.DataAnnotations;
using Tessera.Data;
using Tessera.Nn;
using Tessera.Training.Losses;
using Tessera.Training.Recipes;

namespace Tessera.Training.Objectives.SelfSupervision;

/// <summary>Which published form of SimCLR.</summary>
public enum SimClrForm
{
    /// <summary>That of the authors' code: both views pass through the encoder as one batch, and the head has no shifts.</summary>
    Official,

    /// <summary>
    /// That of htdt/self-supervised for small images, on which Un-Mix builds: each view passes by itself, and a batch norm over both views
    /// follows the head.
    /// </summary>
    Htdt,
}

/// <summary>
/// SimCLR: two views of each image, of which each must find the other among all views of the batch. Chen et al., "A Simple Framework for
/// Contrastive Learning of Visual Representations", 2020, arXiv:2002.05709. With several processes a view is compared with those of all.
/// </summary>
public sealed partial class SimClr : SelfSupervised
{
    private readonly Layer head;
    private readonly BatchNorm? bnLast;
    private readonly SimClrOptions options;

    [NotRegistered]
    private readonly Distributed.ProcessGroup? group;

    [NotRegistered]
    private readonly UnMix mixing;

    /// <summary>The method with a new head for a student.</summary>
    /// <param name="options">Form, head and temperature.</param>
    /// <param name="context">Student, data and processes.</param>
    /// <exception cref="ArgumentException">A step has one sample, which has no others to differ from.</exception>
    public SimClr(SimClrOptions options, ObjectiveContext context)
        : base(context, options.Probe)
    {
        if (context.StepSamples == 1)
            throw new ArgumentException("simclr tells samples of a batch apart: data.batch must be at least 2");
        (this.options, group, mixing) = (options, context.Group, new UnMix(options.Unmix, context.Group));
        var width = Student.NumFeatures;
        if (options.Form == SimClrForm.Official)
        {
            head = new ProjectionHead(width, options.Dim ?? 128, options.HeadLayers ?? 3, options.Hidden);
            return;
        }
        var outputs = options.Dim ?? 64;
        head = ProjectionHead.Plain(width, outputs, options.HeadLayers ?? 2, options.Hidden ?? 1024);
        bnLast = new BatchNorm(outputs);
    }

    /// <inheritdoc/>
    public override bool JoinsProcesses => true;

    /// <summary>Features of views of the same samples, [N, C, H, W] to [N, D] each.</summary>
    /// <param name="views">The views; the first two are one batch in the official form.</param>
    public IReadOnlyList<Tensor> Features(params IReadOnlyList<Tensor> views)
    {
        if (options.Form == SimClrForm.Htdt)
            return [.. views.Select(Encode)];
        var both = Encode(Torch.Cat([views[0], views[1]], 0)).Chunk(2);
        return [.. both, .. views.Skip(2).Select(Encode)];
    }

    /// <summary>Embeddings of features, [N, D] to [N, E] each: all of them pass through the head as one batch.</summary>
    /// <param name="features">Features by view.</param>
    public IReadOnlyList<Tensor> Embed(IReadOnlyList<Tensor> features)
    {
        var all = head.Call(Torch.Cat([.. features], 0));
        return [.. (bnLast is null ? all : bnLast.Call(all)).Chunk(features.Count)];
    }

    /// <inheritdoc/>
    protected override Comparison Compare(Batch batch, Progress progress)
    {
        var (first, second) = (batch.Views[0].Inputs, batch.Views[1].Inputs);
        var mixture = mixing.Of(first, progress);
        var features = mixture is null ? Features(first, second) : Features(first, second, mixture.Images);
        var embeddings = Embed(features);
        var (a, b) = (ContrastRows.Of(embeddings[0], group), ContrastRows.Of(embeddings[1], group));
        var pair = NtXent.Of(a, b, options.Temperature);
        var found = mixture is null ? null : Mixed(b, embeddings[2], Reduce(pair), mixture.Share);
        return new(found?.Total ?? Reduce(pair), features[0], embeddings)
        {
            Parts = UnMix.Parts(found),
            Scores = new Dictionary<string, Score> { ["contrast_top1"] = batch.IsPlaceholder ? default : new(pair.Hits(), batch.Count) },
        };
    }

    private UnMixed Mixed(ContrastRows second, Tensor mixed, Tensor original, double share) =>
        new(
            original,
            Reduce(NtXent.Of(second, ContrastRows.Of(mixed, group), options.Temperature)),
            Reduce(NtXent.Of(second, ContrastRows.Of(UnMixed.Flip(mixed), group), options.Temperature)),
            share
        );

    private Tensor Reduce(NtXent loss) => options.SumViews ? loss.Sum : loss.Mean;
}

/// <summary>SimCLR.</summary>
/// <param name="Temperature">T, from 0.001 to 100: 0.1 (the default) for ImageNet, 0.5 for small images.</param>
/// <param name="Form">Which published form: official (the default) or htdt.</param>
/// <param name="HeadLayers">Linear maps of the head, from 1 to 16; 3 by default (2 in the first paper), 2 in the form htdt.</param>
/// <param name="Hidden">Width of the head's hidden layers, from 1 to 65536; the features' by default, 1024 in the form htdt.</param>
/// <param name="Dim">Channels of an embedding, from 1 to 65536; 128 by default, 64 in the form htdt.</param>
/// <param name="SumViews">
/// Whether the losses of the two views are added, as in the authors' code, instead of averaged, as in the paper (the default). The factor
/// of 2 matters to optimisers that do not scale their steps, such as sgd.
/// </param>
/// <param name="Probe">Whether a linear classifier learns along on the features, without influence on them; true by default.</param>
/// <param name="Unmix">Un-Mix: mixtures as a third view; none by default.</param>
[RecipeName("simclr")]
public sealed record SimClrOptions(
    [Range(0.001, 100)] double Temperature = 0.1,
    SimClrForm Form = SimClrForm.Official,
    [Range(1, 16)] int? HeadLayers = null,
    [Range(1, 65536)] int? Hidden = null,
    [Range(1, 65536)] int? Dim = null,
    bool SumViews = false,
    bool Probe = true,
    UnMixOptions? Unmix = null
) : SelfSupervisedOptions
{
    /// <inheritdoc/>
    public override Objective Create(ObjectiveContext context) => new SimClr(this, context);
}
