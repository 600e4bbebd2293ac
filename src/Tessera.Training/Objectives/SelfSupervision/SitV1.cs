using System.ComponentModel.DataAnnotations;
using Tessera.Data;
using Tessera.Models;
using Tessera.Models.Layers;
using Tessera.Nn;
using Tessera.Training.Losses;
using Tessera.Training.Recipes;

namespace Tessera.Training.Objectives.SelfSupervision;

/// <summary>What a SiT with two tokens makes of images.</summary>
/// <param name="Rotations">Logits of the four turns, [B, 4].</param>
/// <param name="Embeddings">What is compared, [B, E].</param>
/// <param name="Painted">Rebuilt images, [B, C, H, W].</param>
/// <param name="Tokens">The student's tokens, [B, 2 + N, D].</param>
public sealed record SitPass(Tensor Rotations, Tensor Embeddings, Tensor Painted, Tensor Tokens) : ITensorBag
{
    /// <inheritdoc/>
    public IEnumerable<Tensor> Tensors => [Rotations, Embeddings, Painted, Tokens];
}

/// <summary>
/// SiT of 2021 and its revision of June 2022: one token tells by how many quarters a view was turned, another is compared with that of the
/// other view, and the patches rebuild what was destroyed. The three losses are weighted by learned scalars. Atito et al., 2021,
/// arXiv:2104.03602. Each process compares its own samples, as the authors' code does.
/// </summary>
public abstract class SitTwoTokens : SitPretraining
{
    /// <summary>The method for the student of a context.</summary>
    /// <param name="context">Student and data.</param>
    /// <param name="probe">Whether a linear classifier learns along.</param>
    /// <param name="version">The version of SiT that the student must be of.</param>
    /// <exception cref="ArgumentException">The student is another model, or its images are not as high as wide.</exception>
    private protected SitTwoTokens(ObjectiveContext context, bool probe, SitVersion version)
        : base(context, probe, version)
    {
        var (height, width) = Student.ImageSize;
        if (height != width)
            throw new ArgumentException($"it turns images by quarters: they must be as high as wide, and not {height} x {width}");
    }

    /// <summary>The learned weights of the losses: rotation, comparison, rebuilding, [1] each.</summary>
    public abstract (Parameter Rotation, Parameter Contrastive, Parameter Reconstruction) Weights { get; }

    private protected override bool LearnsRotations => true;

    /// <summary>What is compared, from the student's tokens, [B, E].</summary>
    /// <param name="tokens">[B, 2 + N, D].</param>
    protected abstract Tensor Embed(Tensor tokens);

    /// <inheritdoc/>
    protected abstract override Tensor Rotations(Tensor tokens);

    /// <summary>One pass over images as the student is to see them.</summary>
    /// <param name="images">Normalised, [B, C, H, W].</param>
    public SitPass See(Tensor images)
    {
        using var scope = new Scope();
        var tokens = Student.ForwardFeatures(images);
        return scope.Return(new SitPass(Rotations(tokens), Embed(tokens), Paint(tokens, images), tokens));
    }

    /// <summary>The loss of rebuilding.</summary>
    /// <param name="painted">Rebuilt views, [2 N, C, H, W].</param>
    /// <param name="clean">The views, [2 N, C, H, W].</param>
    /// <param name="mask">1 where pixels were destroyed, [2 N, 1, H, W].</param>
    protected abstract Tensor Reconstruction(Tensor painted, Tensor clean, Tensor mask);

    /// <summary>The weighted sum of the losses, [1].</summary>
    /// <param name="rotation">Of telling turns.</param>
    /// <param name="contrastive">Of comparing views.</param>
    /// <param name="reconstruction">Of rebuilding.</param>
    protected abstract Tensor Total(Tensor rotation, Tensor contrastive, Tensor reconstruction);

    /// <summary>T of the comparison.</summary>
    private protected abstract double Temperature { get; }

    /// <inheritdoc/>
    protected override Comparison Compare(Batch batch, Progress progress)
    {
        var turns = batch.Views.Take(2).Select(view => Turning.Draw(view.Inputs.Size(0))).ToArray();
        Tensor[] views = [.. batch.Views.Take(2).Select((view, i) => Turning.Apply(view.Inputs, turns[i]))];
        var clean = Torch.Cat(views, 0);
        var labels = Turning.Labels([.. turns[0], .. turns[1]], clean.Device);
        var corrupted = Destroy(views);
        var found = See(corrupted.Images);
        var (painted, embeddings) = (found.Painted.To(clean.DType), found.Embeddings.Chunk(2));
        var rotation = ClassificationLosses.CrossEntropy(found.Rotations, labels);
        var contrastive = NtXent.Of(embeddings[0], embeddings[1], Temperature).Mean;
        var reconstruction = Reconstruction(painted, clean, corrupted.Mask);
        var parts = Differences(painted, clean, corrupted.Mask);
        (parts["rotation"], parts["contrastive"]) = (rotation.Detach(), contrastive.Detach());
        parts["reconstruction"] = reconstruction.Detach();
        var (first, second, third) = Weights;
        foreach (var (name, weight) in new[] { ("rotation", first), ("contrastive", second), ("reconstruction", third) })
            parts[$"{name}_weight"] = ((Tensor)weight).Detach().Sum();
        var told = batch.IsPlaceholder ? default : new Score(found.Rotations.Detach().Argmax(1).Eq(labels).Sum().ToInt64(), labels.Size(0));
        return new(Total(rotation, contrastive, reconstruction).Sum(), FeaturesOf(found.Tokens, batch.Inputs.Size(0)), embeddings)
        {
            Parts = parts,
            Scores = new Dictionary<string, Score> { [ReconstructionMetrics.Rotation] = told },
        };
    }
}

/// <summary>SiT's release of 2021 (v1).</summary>
public sealed class SitV1 : SitTwoTokens
{
    private readonly Parameter rotW = One(),
        contrastiveW = One(),
        reconsW = One();
    private readonly Linear rotHead,
        contrastiveHead;
    private readonly SitReconstruction painter;
    private readonly SitV1Options options;

    /// <summary>The method with new heads for a student.</summary>
    /// <param name="options">Heads and temperature.</param>
    /// <param name="context">Student and data.</param>
    /// <exception cref="ArgumentException">The student is no SiT of v1, or its images are not as high as wide.</exception>
    public SitV1(SitV1Options options, ObjectiveContext context)
        : base(context, options.Probe, SitVersion.V1)
    {
        this.options = options;
        var sizes = Network.Options;
        rotHead = TransformerInit.Linears(new Linear(Network.NumFeatures, Turning.Count));
        contrastiveHead = TransformerInit.Linears(new Linear(Network.NumFeatures, options.Outputs));
        painter = new(sizes.Dim, sizes.Channels, sizes.Patch, layers: 0);
    }

    internal static Parameter One() => Init.Ones(new Parameter(1));

    /// <inheritdoc/>
    protected override void ListMembers(Members members)
    {
        base.ListMembers(members);
        members.Add("rot_w", rotW);
        members.Add("contrastive_w", contrastiveW);
        members.Add("recons_w", reconsW);
        members.Add("rot_head", rotHead);
        members.Add("contrastive_head", contrastiveHead);
        members.Add("convTrans", painter.Convolution);
    }

    /// <inheritdoc/>
    protected override ImageCorruption Corruption { get; } = new Distortion();

    /// <inheritdoc/>
    public override (Parameter Rotation, Parameter Contrastive, Parameter Reconstruction) Weights => (rotW, contrastiveW, reconsW);

    private protected override double Temperature => options.Temperature;

    private Tensor Token(Tensor tokens, int index) => Student.ForwardHead(tokens, preLogits: true).Select(1, index);

    /// <inheritdoc/>
    protected override Tensor Rotations(Tensor tokens) => rotHead.Call(Token(tokens, 0));

    /// <inheritdoc/>
    protected override Tensor Embed(Tensor tokens) => contrastiveHead.Call(Token(tokens, 1));

    /// <inheritdoc/>
    protected override Tensor Paint(Tensor tokens, Tensor like) =>
        painter.Paint(tokens.Slice(1, Network.NumPrefixTokens), like.Size(2), like.Size(3));

    /// <summary>The mean over all pixels.</summary>
    /// <inheritdoc/>
    protected override Tensor Reconstruction(Tensor painted, Tensor clean, Tensor mask) => Difference(painted, clean);

    /// <summary>The mean absolute difference over all pixels.</summary>
    internal static Tensor Difference(Tensor painted, Tensor clean) => Torch.Scope(() => (painted - clean).Abs().Mean());

    /// <inheritdoc/>
    protected override Tensor Total(Tensor rotation, Tensor contrastive, Tensor reconstruction) =>
        Total(rotation, contrastive, reconstruction, Weights);

    /// <summary>The weighted sum of the losses, [1]; it may be negative.</summary>
    /// <param name="rotation">Of telling turns.</param>
    /// <param name="contrastive">Of comparing views.</param>
    /// <param name="reconstruction">Of rebuilding.</param>
    /// <param name="weights">The learned weights, [1] each.</param>
    internal static Tensor Total(
        Tensor rotation,
        Tensor contrastive,
        Tensor reconstruction,
        (Tensor Rotation, Tensor Contrastive, Tensor Reconstruction) weights
    ) =>
        Torch.Scope(() =>
            UncertaintyWeighting.Exponential(rotation, weights.Rotation, 1)
            + UncertaintyWeighting.Exponential(contrastive, weights.Contrastive, 1)
            + UncertaintyWeighting.Exponential(reconstruction, weights.Reconstruction, 0.5)
        );
}

/// <summary>SiT of 2021 (v1): turns are told, views compared, distorted images rebuilt.</summary>
/// <param name="Temperature">T of the comparison, from 0.001 to 100; 0.5 by default.</param>
/// <param name="Outputs">Channels of an embedding, from 1 to 65536; 512 by default.</param>
/// <param name="Probe">Whether a linear classifier learns along on the features, without influence on them; true by default.</param>
[RecipeName("sit_v1")]
public sealed record SitV1Options([Range(0.001, 100)] double Temperature = 0.5, [Range(1, 65536)] int Outputs = 512, bool Probe = true)
    : SelfSupervisedOptions
{
    /// <inheritdoc/>
    public override Objective Create(ObjectiveContext context) => new SitV1(this, context);
}
