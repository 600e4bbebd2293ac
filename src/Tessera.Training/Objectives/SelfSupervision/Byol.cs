using System.ComponentModel.DataAnnotations;
using Tessera.Data;
using Tessera.Models;
using Tessera.Nn;
using Tessera.Training.Losses;
using Tessera.Training.Recipes;

namespace Tessera.Training.Objectives.SelfSupervision;

/// <summary>
/// Learning without labels and without negatives: an online network predicts, from one view of an image, what a slowly following copy of it
/// makes of another view. Grill et al., "Bootstrap Your Own Latent", 2020, arXiv:2006.07733. Names of the weights are those of
/// htdt/self-supervised: <c>model</c>, <c>head</c> and <c>pred</c> learn, <c>model_t</c> and <c>head_t</c> follow.
/// </summary>
public sealed partial class Byol : SelfSupervised
{
    private readonly Sequential head;
    private readonly Sequential? pred;
    private readonly MomentumCopy<Backbone> modelT;
    private readonly MomentumCopy<Sequential> headT;
    private readonly ByolOptions options;

    [NotRegistered]
    private readonly UnMix mixing;

    /// <summary>The method for the student of a context.</summary>
    /// <param name="options">Form, heads and speed of the target.</param>
    /// <param name="context">Student and data.</param>
    /// <exception cref="ArgumentException">Steps are of one sample, which batch norms cannot normalise.</exception>
    public Byol(ByolOptions options, ObjectiveContext context)
        : base(context, options.Probe)
    {
        if (context.StepSamples == 1)
            throw new ArgumentException("byol needs a data.batch of at least 2: batch norms normalise its heads by the samples of a step");
        (this.options, mixing) = (options, new UnMix(options.Unmix, context.Group));
        head = Head();
        pred = options.Predictor ? Mlp(options.OutputWidth, 2) : null;
        modelT = new(Student, context.Twin(), asSource: !options.RandomTarget);
        headT = new(head, Head(), asSource: !options.RandomTarget);
    }

    private Sequential Head() => Mlp(Student.NumFeatures, options.HeadLayers);

    /// <summary>Linear maps, each but the last with batch norm and ReLU behind it.</summary>
    private Sequential Mlp(int inputs, int depth)
    {
        List<Layer> layers = [];
        for (var i = 1; i < depth; i++)
        {
            layers.AddRange(
                new Linear(inputs, options.HiddenWidth),
                new BatchNorm(options.HiddenWidth, options.NormEps, options.NormMomentum)
            );
            layers.Add(new Relu());
            inputs = options.HiddenWidth;
        }
        layers.Add(new Linear(inputs, options.OutputWidth, bias: options.Form == ByolForm.Htdt));
        return new(layers);
    }

    /// <summary>What both networks make of one view, which is a pass of its own: batch norms normalise it by its statistics.</summary>
    /// <param name="images">Normalised images, [B, C, H, W].</param>
    public ByolView See(Tensor images)
    {
        using var scope = new Scope();
        var features = Encode(images);
        var projection = head.Call(features);
        var prediction = pred?.Call(projection) ?? projection;
        using var outside = Torch.NoGrad();
        return scope.Return(new ByolView(features, projection, prediction, headT.Module.Call(modelT.Module.ForwardEmbedding(images))));
    }

    /// <summary>
    /// The loss of two views of the same samples: how far the prediction from each is from the target of the other, both orders summed, as
    /// in the paper, and a mean over samples. It lies between 0 and 8, and at 4 where predictions have nothing to do with targets.
    /// </summary>
    public static Tensor Between(ByolView first, ByolView second) => Torch.Scope(() => Rows(first, second).Mean());

    /// <summary>Un-Mix's losses: the mixture passes through both networks as any view does.</summary>
    /// <param name="first">The first view.</param>
    /// <param name="second">The second view.</param>
    /// <param name="mixed">The first view mixed with the reversed batch.</param>
    /// <param name="share">Lambda, the share of an image's own values.</param>
    public static UnMixed Mix(ByolView first, ByolView second, ByolView mixed, double share)
    {
        using var scope = new Scope();
        return scope.Return(new UnMixed(Between(first, second), Between(second, mixed), Between(second, mixed.Flipped()), share));
    }

    /// <summary>The loss of each sample, [B].</summary>
    internal static Tensor Rows(ByolView first, ByolView second) =>
        NormalizedRegression.Rows(first.Prediction, second.Target) + NormalizedRegression.Rows(second.Prediction, first.Target);

    /// <inheritdoc/>
    protected override Comparison Compare(Batch batch, Progress progress)
    {
        var (first, second) = (See(batch.Views[0].Inputs), See(batch.Views[1].Inputs));
        var found = mixing.Of(batch.Views[0].Inputs, progress) is { } mixture
            ? Mix(first, second, See(mixture.Images), mixture.Share)
            : null;
        return new(found?.Total ?? Between(first, second), first.Features, [first.Projection, second.Projection])
        {
            Parts = new Dictionary<string, Tensor>(UnMix.Parts(found))
            {
                ["tau"] = Torch.Full([], Tau(progress), device: first.Target.Device),
            },
        };
    }

    /// <summary>The target follows by the weights that the step has brought; its batch norms keep their own statistics.</summary>
    /// <inheritdoc/>
    public override void AfterStep(Progress progress)
    {
        var tau = Tau(progress);
        modelT.Update(tau);
        headT.Update(tau);
    }

    private double Tau(Progress progress) =>
        options.SlowsPerEpoch
            ? CosineRamp.At(options.StartTau, 1, progress.Epoch, progress.Epochs)
            : CosineRamp.At(options.StartTau, 1, progress.Step, progress.TotalSteps);

    // The loss is a mean over samples, and batch norms take the statistics of all processes: nothing is compared within one of them.
    /// <inheritdoc/>
    public override bool JoinsProcesses => true;
}

/// <summary>What both networks of <see cref="Byol"/> make of one view.</summary>
/// <param name="Features">Of the student, [B, D].</param>
/// <param name="Projection">Of the online projector, [B, E].</param>
/// <param name="Prediction">Of the predictor, [B, E].</param>
/// <param name="Target">Of the target's projector, without a graph, [B, E].</param>
public sealed record ByolView(Tensor Features, Tensor Projection, Tensor Prediction, Tensor Target) : ITensorBag
{
    /// <inheritdoc/>
    public IEnumerable<Tensor> Tensors => [Features, Projection, Prediction, Target];

    /// <summary>The same of the reversed batch.</summary>
    public ByolView Flipped() => new(UnMixed.Flip(Features), UnMixed.Flip(Projection), UnMixed.Flip(Prediction), UnMixed.Flip(Target));
}

/// <summary>The two forms of BYOL in use, which differ in their defaults.</summary>
public enum ByolForm
{
    /// <summary>deepmind-research/byol: heads 4096 wide, 256 at their end, whose last map has no bias; tau changes at every step.</summary>
    Official,

    /// <summary>htdt/self-supervised, for small images: heads 1024 wide, 64 at their end, biases; tau changes at every epoch.</summary>
    Htdt,
}

/// <summary>BYOL: a prediction of what a slowly following copy makes of another view.</summary>
/// <param name="Form">Whose form: official (the default) or htdt. It decides the defaults of other fields, and biases.</param>
/// <param name="Hidden">Hidden width of projector and predictor, from 1 to 65536; 4096 by default, 1024 in the form htdt.</param>
/// <param name="Dim">Width of projections and predictions, from 1 to 65536; 256 by default, 64 in the form htdt.</param>
/// <param name="HeadLayers">Linear maps of the projector, from 1 to 16; 2 by default. The predictor has two.</param>
/// <param name="Tau">
/// Share of itself that the target keeps in the first step, from 0 to 1; along a cosine it comes to 1 at the end. 0.99 by default, for 100
/// to 300 epochs; published are 0.97 for 40 and 0.996 for 1000.
/// </param>
/// <param name="TauPerEpoch">Whether tau changes at the beginning of epochs only; by default in the form htdt.</param>
/// <param name="RandomTarget">
/// Whether the target begins with random weights of its own, as in the official code, instead of with those of the online network.
/// </param>
/// <param name="Predictor">Whether there is a predictor. Without it embeddings collapse: leave it on but to show that.</param>
/// <param name="Probe">Whether a linear classifier learns along, without influence on the features.</param>
/// <param name="NormEps">Added to the variance in batch norms of the heads, from 1e-12 to 1; 1e-5 by default.</param>
/// <param name="NormMomentum">Weight of the newest batch in running statistics of the heads, from 0 to 1; 0.1 by default.</param>
/// <param name="Unmix">Un-Mix: mixtures as a third view; none by default.</param>
[RecipeName("byol")]
public sealed record ByolOptions(
    ByolForm Form = ByolForm.Official,
    [Range(1, 65536)] int? Hidden = null,
    [Range(1, 65536)] int? Dim = null,
    [Range(1, 16)] int HeadLayers = 2,
    [Range(0, 1)] double? Tau = null,
    bool? TauPerEpoch = null,
    bool RandomTarget = false,
    bool Predictor = true,
    bool Probe = true,
    [Range(1e-12, 1)] double NormEps = 1e-5,
    [Range(0, 1)] double NormMomentum = 0.1,
    UnMixOptions? Unmix = null
) : SelfSupervisedOptions
{
    internal int HiddenWidth => Hidden ?? (Form == ByolForm.Htdt ? 1024 : 4096);

    internal int OutputWidth => Dim ?? (Form == ByolForm.Htdt ? 64 : 256);

    internal double StartTau => Tau ?? 0.99;

    internal bool SlowsPerEpoch => TauPerEpoch ?? Form == ByolForm.Htdt;

    /// <inheritdoc/>
    public override Objective Create(ObjectiveContext context) => new Byol(this, context);
}
