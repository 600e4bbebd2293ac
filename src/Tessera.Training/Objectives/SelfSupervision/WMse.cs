using System.ComponentModel.DataAnnotations;
using Tessera.Data;
using Tessera.Nn;
using Tessera.Training.Losses;
using Tessera.Training.Recipes;

namespace Tessera.Training.Objectives.SelfSupervision;

/// <summary>
/// W-MSE: embeddings of both views are whitened and brought together; there are no negatives, since whitened embeddings cannot collapse.
/// Ermolov et al., "Whitening for Self-Supervised Representation Learning", 2020, arXiv:2007.06346, in the form of htdt/self-supervised.
/// </summary>
public sealed partial class WMse : SelfSupervised
{
    private readonly Sequential head;
    private readonly WMseOptions options;

    [NotRegistered]
    private readonly UnMix mixing;

    /// <summary>The method with a new head for a student.</summary>
    /// <param name="options">Head and whitening.</param>
    /// <param name="context">Student, data and processes.</param>
    /// <exception cref="ArgumentException">The batch has too few samples, or does not divide into the groups.</exception>
    public WMse(WMseOptions options, ObjectiveContext context)
        : base(context, options.Probe)
    {
        var batch = context.StepSamples / (context.Group?.Size ?? 1);
        if (context.StepSamples > 0 && batch % (options.Size ?? 1) != 0)
            throw new ArgumentException(
                $"w_mse whitens groups of {options.Size} samples: the batch of each process, {batch}, must be a multiple of that"
            );
        if (context.StepSamples > 0 && options.Eps == 0 && (options.Size ?? batch) <= options.Dim)
            throw new ArgumentException(
                $"w_mse cannot whiten {options.Dim} channels of {options.Size ?? batch} samples: choose a larger data.batch, "
                    + "a smaller dim, or eps above 0"
            );
        (this.options, mixing) = (options, new UnMix(options.Unmix, context.Group));
        head = ProjectionHead.Plain(Student.NumFeatures, options.Dim, options.HeadLayers, options.Hidden);
    }

    /// <inheritdoc/>
    protected override Comparison Compare(Batch batch, Progress progress)
    {
        var (first, second) = (batch.Views[0].Inputs, batch.Views[1].Inputs);
        var mixture = mixing.Of(first, progress);
        Tensor[] features = [.. (mixture is null ? [first, second] : (Tensor[])[first, second, mixture.Images]).Select(Encode)];
        var embeddings = head.Call(Torch.Cat(features, 0)).Chunk(features.Length);
        // The one row of another process has no covariance, and it counts nothing.
        if (batch.IsPlaceholder)
        {
            var nothing = Torch.Cat([.. embeddings], 0).Sum() * 0;
            return new(nothing, features[0], embeddings)
            {
                Parts = UnMix.Parts(mixture is null ? null : new UnMixed(nothing, nothing, nothing, mixture.Share)),
            };
        }
        List<Tensor> losses = [];
        List<UnMixed> mixed = [];
        IReadOnlyList<Tensor> whitened = [];
        for (var i = 0; i < options.Iterations; i++)
        {
            var order = Torch.Randperm(batch.Count, device: embeddings[0].Device);
            whitened = [.. embeddings.Select(rows => Whitening.InGroups(rows, order, options.Size ?? batch.Count, options.Eps))];
            var pair = CosineDistance.Mean(whitened[0], whitened[1]);
            if (mixture is not null)
                mixed.Add(Mix(pair, whitened[1], whitened[2], mixture.Share));
            losses.Add(mixture is null ? pair : mixed[^1].Total);
        }
        return new(Torch.Stack([.. losses]).Mean(), features[0], whitened) { Parts = UnMix.Parts(mixed.LastOrDefault()) };
    }

    /// <summary>Un-Mix's losses of whitened embeddings, [N, E] each.</summary>
    /// <param name="original">Loss of both views.</param>
    /// <param name="second">Of the second view.</param>
    /// <param name="mixed">Of the mixture.</param>
    /// <param name="share">Lambda.</param>
    public static UnMixed Mix(Tensor original, Tensor second, Tensor mixed, double share) =>
        new(original, CosineDistance.Mean(second, mixed), CosineDistance.Mean(second, UnMixed.Flip(mixed)), share);
}

/// <summary>W-MSE.</summary>
/// <param name="Dim">Channels of an embedding, from 1 to 65536; 64 by default (128 for images of 64 pixels).</param>
/// <param name="HeadLayers">Linear maps of the head, from 1 to 16; 2 by default.</param>
/// <param name="Hidden">Width of the head's hidden layers, from 1 to 65536; 1024 by default.</param>
/// <param name="Size">
/// Samples that are whitened together, from 2 to 1000000: more than <paramref name="Dim"/> where eps is 0, and a divisor of the batch. The
/// whole batch by default; published: 128 for a dim of 64, 256 for 128.
/// </param>
/// <param name="Iterations">Times that a batch is divided anew, from 1 to 1000; the losses are averaged. 1 by default.</param>
/// <param name="Eps">Share of the unit matrix in the covariance, from 0 (the default) to 1.</param>
/// <param name="Probe">Whether a linear classifier learns along on the features, without influence on them; true by default.</param>
/// <param name="Unmix">Un-Mix: mixtures as a third view; none by default.</param>
[RecipeName("w_mse")]
public sealed record WMseOptions(
    [Range(1, 65536)] int Dim = 64,
    [Range(1, 16)] int HeadLayers = 2,
    [Range(1, 65536)] int Hidden = 1024,
    [Range(2, 1_000_000)] int? Size = null,
    [Range(1, 1000)] int Iterations = 1,
    [Range(0, 1)] double Eps = 0,
    bool Probe = true,
    UnMixOptions? Unmix = null
) : SelfSupervisedOptions
{
    /// <inheritdoc/>
    public override Objective Create(ObjectiveContext context) => new WMse(this, context);
}
