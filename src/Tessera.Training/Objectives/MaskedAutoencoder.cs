using System.ComponentModel.DataAnnotations;
using Tessera.Data;
using Tessera.Models;
using Tessera.Models.Layers;
using Tessera.Nn;
using Tessera.Training.Losses;
using Tessera.Training.Recipes;

namespace Tessera.Training.Objectives;

/// <summary>
/// Pre-training without labels: most patches are hidden, the student encodes the others, and a small decoder paints the hidden
/// ones. He et al., "Masked Autoencoders Are Scalable Vision Learners", 2021, arXiv:2111.06377. Names of the decoder's weights are
/// those of the authors' code.
/// </summary>
public sealed partial class MaskedAutoencoder : BackboneObjective
{
    private readonly Parameter maskToken; // [1, 1, D]
    private readonly Parameter decoderPosEmbed; // [1, 1 + L, D], fixed
    private readonly Linear decoderEmbed;
    private readonly ModuleList<Vit.Block> decoderBlocks;
    private readonly LayerNorm decoderNorm;
    private readonly Linear decoderPred;
    private readonly MaskedAutoencoderOptions options;
    private readonly (int Height, int Width) grid;
    private readonly int patch;

    /// <summary>The method with a decoder for a student, whose positions are fixed here.</summary>
    /// <param name="options">Share of hidden patches, target and decoder.</param>
    /// <param name="student">The encoder, a plain ViT.</param>
    /// <param name="pretrained">Whether its weights are kept as they are.</param>
    /// <exception cref="ArgumentException">The student is no plain ViT.</exception>
    public MaskedAutoencoder(MaskedAutoencoderOptions options, Backbone student, bool pretrained = false)
        : base(student)
    {
        this.options = options;
        var encoder = FixedPositions.Prepare(student, pretrained, "masked autoencoding");
        var sizes = encoder.Options;
        patch = sizes.Patch;
        grid = (sizes.ImageSize.Height / patch, sizes.ImageSize.Width / patch);
        var decoder = sizes with
        {
            Dim = options.Dim,
            Heads = options.Heads,
            MlpRatio = options.MlpRatio ?? sizes.MlpRatio,
            QkNorm = false,
            LayerScale = null,
            Dropout = 0,
        };
        maskToken = new Parameter(Torch.Zeros([1, 1, options.Dim]));
        decoderPosEmbed = new Parameter(
            PositionTable.GridSine(grid, options.Dim, encoder.NumPrefixTokens).To(DType.Float32),
            requiresGrad: false
        );
        decoderEmbed = new Linear(sizes.Dim, options.Dim);
        decoderBlocks = new(Enumerable.Range(0, options.Depth).Select(_ => new Vit.Block(decoder, options.Heads, 0)));
        decoderNorm = new LayerNorm(options.Dim, sizes.Eps);
        decoderPred = new Linear(options.Dim, patch * patch * sizes.Channels);
        FixedPositions.Initialize(this, IsOfModel);
    }

    /// <inheritdoc/>
    protected override Loss ForwardLoss(Batch batch, Progress progress, Phase phase)
    {
        var noise = Torch.Rand([batch.Inputs.Size(0), grid.Height * (long)grid.Width], device: batch.Inputs.Device);
        var loss = Reconstruct((Vit)Student, batch.Inputs, noise).Loss;
        return new(loss) { Parts = new Dictionary<string, Tensor> { ["hidden_patches"] = loss.Detach() } };
    }

    /// <inheritdoc/>
    public override bool TrainsClassifier => false;

    /// <summary>
    /// <c>reconstruction</c>, the loss over the hidden patches of test images, and a kNN probe. What is hidden of an image depends on the
    /// seed and on its index alone. With the moving average of the weights, the decoder is the present one: the average is of the encoder.
    /// </summary>
    public override Evaluator CreateEvaluator(EvaluatorContext context) =>
        new PretextEvaluator((Vit)Student, context, ["reconstruction"], batch =>
        {
            var noise = MeasurementDraws.PatchNoise(batch.Indices, grid.Height * grid.Width, context.Seed, batch.Inputs.Device);
            var pass = Reconstruct((Vit)Student, batch.Inputs, noise);
            return [((pass.Painted - pass.Target).Square().Mean(2) * pass.Mask).Sum(1) / pass.Mask.Sum(1)];
        });

    /// <inheritdoc/>
    public override IReadOnlyList<ReportSection> Report(ReportSamples samples) =>
        [
            ReconstructionPictures.Section(
                Student,
                samples,
                "From top to bottom: the test image, the patches that the encoder sees, and the hidden ones as the decoder paints them."
                    + (
                        options.NormalizePixels
                            ? " The method paints patches without their brightness and contrast, which are the image's own here."
                            : ""
                    ),
                (image, index) => Show(image, index, samples.Seed)
            ),
        ];

    /// <summary>An image with its hidden patches in grey, and with these patches as the decoder paints them, [1, C, H, W].</summary>
    /// <param name="image">Normalised image, [1, C, H, W].</param>
    /// <param name="index">Position of the image in its data set; it chooses the hidden patches.</param>
    /// <param name="seed">Seed of the hidden patches, the same as for a measurement.</param>
    private (Tensor Hidden, Tensor Painted) Show(Tensor image, int index, ulong seed)
    {
        using var scope = new Scope();
        var pass = Reconstruct((Vit)Student, image, MeasurementDraws.PatchNoise([index], grid.Height * grid.Width, seed, image.Device));
        var (own, hidden) = (Patches.Cut(image, patch), pass.Mask.Unsqueeze(2));
        var painted = pass.Painted;
        // Standardised patches have no brightness and contrast: those of the image stand in.
        if (options.NormalizePixels)
            painted = painted * (own.Var([-1], true, true) + 1e-6).Sqrt() + own.Mean([-1], true);
        var seen = own * (1 - hidden);
        return (scope.Return(Picture(seen)), scope.Return(Picture(seen + painted * hidden)));
    }

    /// <summary>One pass with given noise.</summary>
    /// <param name="encoder">The encoder, a plain ViT.</param>
    /// <param name="images">Normalised images, [B, C, H, W].</param>
    /// <param name="noise">Uniform draws in [0, 1), [B, L], one per patch: the largest are hidden.</param>
    public Reconstruction Reconstruct(Vit encoder, Tensor images, Tensor noise)
    {
        using var scope = new Scope();
        var (kept, restore, mask) = Patches.Hide(noise, options.MaskRatio);
        var latent = encoder.ForwardVisible(images, kept);
        var target = Patches.Cut(images, patch);
        if (options.NormalizePixels)
            target = Patches.Normalize(target);
        var painted = Decode(latent, restore, encoder.NumPrefixTokens);
        var loss = ((painted - target).Square().Mean(2) * mask).Sum() / mask.Sum();
        return scope.Return(new Reconstruction(latent, painted, mask, target, loss));
    }

    private Tensor Decode(Tensor latent, Tensor restore, int prefix) =>
        Torch.Scope(() =>
        {
            var x = decoderEmbed.Call(latent);
            var (batch, seen, dim) = x.Shape;
            var hidden = ((Tensor)maskToken).To(x.DType).Expand([batch, restore.Size(1) - (seen - prefix), -1]);
            var patches = Torch.Cat([x.Slice(1, prefix), hidden], 1).Gather(1, restore.Unsqueeze(2).Expand([-1, -1, dim]));
            x = decoderBlocks.Aggregate(Torch.Cat([x.Slice(1, 0, prefix), patches], 1) + decoderPosEmbed, (tokens, block) =>
                block.Call(tokens)
            );
            return decoderPred.Call(decoderNorm.Call(x)).Slice(1, prefix);
        });

    /// <summary>The images that predicted patches are.</summary>
    public Tensor Picture(Tensor patches) => Patches.Join(patches, patch, grid);
}

/// <summary>Tensors of one pass through a masked autoencoder.</summary>
/// <param name="Latent">Tokens of the encoder, class token first, patches in the order of their noise, [B, 1 + K, C].</param>
/// <param name="Painted">Predicted patches, [B, L, P P C].</param>
/// <param name="Mask">1 for hidden patches, [B, L].</param>
/// <param name="Target">True patches in the form of the predictions, [B, L, P P C].</param>
/// <param name="Loss">Mean squared difference over the hidden patches, a scalar.</param>
public sealed record Reconstruction(Tensor Latent, Tensor Painted, Tensor Mask, Tensor Target, Tensor Loss) : ITensorBag
{
    /// <inheritdoc/>
    public IEnumerable<Tensor> Tensors => [Latent, Painted, Mask, Target, Loss];
}

/// <summary>Masked autoencoding of a plain ViT.</summary>
/// <param name="MaskRatio">Share of the patches that is hidden, from 0.001 to 0.999; 0.75 by default.</param>
/// <param name="NormalizePixels">Whether the patches to be painted are standardised, each by itself.</param>
/// <param name="Dim">Width of the decoder, from 4 to 65536 and a multiple of 4; 512 by default.</param>
/// <param name="Depth">Blocks of the decoder, from 1 to 1000; 8 by default.</param>
/// <param name="Heads">Attention heads of the decoder, from 1 to 1024; 16 by default.</param>
/// <param name="MlpRatio">Hidden over outer width of the decoder's MLPs, from 0.1 to 100; the encoder's by default.</param>
[RecipeName("masked_autoencoder")]
public sealed record MaskedAutoencoderOptions(
    [Range(0.001, 0.999)] double MaskRatio = 0.75,
    bool NormalizePixels = true,
    [Range(4, 65536)] int Dim = 512,
    [Range(1, 1000)] int Depth = 8,
    [Range(1, 1024)] int Heads = 16,
    [Range(0.1, 100)] double? MlpRatio = null
) : ObjectiveOptions
{
    /// <summary>Width of the decoder.</summary>
    public int Dim { get; init; } =
        Dim % Heads == 0 && Dim % 4 == 0
            ? Dim
            : throw new ArgumentException($"a decoder of width {Dim} does not divide into {Heads} heads and 4 parts of its positions");

    /// <inheritdoc/>
    public override Type? TargetsType => null;

    /// <inheritdoc/>
    public override IReadOnlyList<Need> Needs =>
        [
            new Need.Views(1),
            new Need.NoAuxiliaryLosses(
                "masked autoencoding shows the student some of the patches only: auxiliary losses have no map to work on"
            ),
            new Need.UnmixedImages("masked autoencoding paints the pixels of single images and uses no labels"),
        ];

    /// <inheritdoc/>
    public override Objective Create(ObjectiveContext context) => new MaskedAutoencoder(this, context.Student, context.Pretrained);
}
